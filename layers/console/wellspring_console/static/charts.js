// Small charts in SVG. Each has a label that says what it shows, and stands beside a table that says the same (`Twin`).

import { A_DAY, day, number, utcDay, way } from "./format.js";
import { html, useEffect, useMemo, useRef, useState } from "./html.js";

const AN_HOUR = A_DAY / 24;

/** The width of an element as it is now, so that what is drawn in it is drawn in pixels. */
function useWidth() {
  const element = useRef(null);
  const [width, setWidth] = useState(640);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.max(200, Math.round(entry.contentRect.width))));
    observer.observe(element.current);
    return () => observer.disconnect();
  }, []);
  return [element, width];
}

const pen = document.createElement("canvas").getContext("2d");

/** How wide a name is in a chart, in pixels. */
function widthOf(text) {
  pen.font = `650 13px ${getComputedStyle(document.documentElement).fontFamily}`;
  return pen.measureText(text).width;
}

/** A name that fits into so many pixels; its end is left out where it must be. */
function fitted(text, room) {
  if (widthOf(text) <= room) return text;
  let length = text.length;
  while (length > 1 && widthOf(`${text.slice(0, length)}…`) > room) length -= 1;
  return `${text.slice(0, length).trimEnd()}…`;
}

// What is drawn at once, in marks; the rest comes with the next frames, so that the page answers meanwhile.
const SLICE = 500;

/**
 * Draw `items` in slices, one with each frame: `draw(item)` for each, and `weigh(item)` of marks. Returns what is drawn by now; what
 * was drawn before stays until it is drawn anew.
 */
function useSlices(items, draw, weigh) {
  const [, redraw] = useState(0);
  const held = useRef({ items: null, at: 0, drawn: new Map() });
  const state = held.current;
  if (state.items !== items) Object.assign(state, { items, at: 0 });
  for (let weight = 0; state.at < items.length && weight < SLICE; state.at += 1) {
    state.drawn.set(items[state.at].key, draw(items[state.at], state.at));
    weight += weigh(items[state.at]);
  }
  useEffect(() => {
    if (state.at >= items.length) return undefined;
    const frame = requestAnimationFrame(() => redraw((count) => count + 1));
    return () => cancelAnimationFrame(frame);
  });
  return items.map((item) => state.drawn.get(item.key));
}

/** A month in the height of a line: one bar a day. `values`: numbers, oldest first. */
export function Sparkline({ values, label, direction }) {
  const highest = Math.max(1, ...values);
  const step = 4;
  const height = 20;
  const bar = (index, tall) => `M${index * step} ${height}v${-tall.toFixed(1)}h${step - 1}V${height}z`;
  return html`
    <svg class=${`spark ${way(direction)}`} role="img" aria-label=${label} viewBox=${`0 0 ${values.length * step} ${height}`}
      width=${values.length * step} height=${height}>
      <path class="none" d=${values.map((value, index) => (value ? "" : bar(index, 1))).join("")} />
      <path d=${values.map((value, index) => (value ? bar(index, Math.max(2, (value / highest) * height)) : "")).join("")} />
    </svg>`;
}

/** Round a largest value up to what an axis may end with. */
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, value)));
  return [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].map((step) => Math.ceil(step * power)).find((step) => step >= value) ?? value;
}

/**
 * Bars by day: in above the line, out below it; a direction in which nothing went takes no room. `days`: [{date, input, output}],
 * oldest first.
 */
export function DayBars({ days, label }) {
  const [element, width] = useWidth();
  const [left, right, top] = [56, 8, 8];
  const [above, below] = ["input", "output"].map((direction) => (days.some((day) => day[direction]) ? 96 : 4));
  const room = width - left - right;
  const step = room / Math.max(1, days.length);
  const highest = ceiling(Math.max(1, ...days.flatMap(({ input, output }) => [input, output])));
  const middle = top + above;
  const bottom = middle + below;
  const tall = (value) => (value ? Math.max(1.5, (value / highest) * 96) : 0);
  const marks = [...new Set([0, Math.floor((days.length - 1) / 2), days.length - 1])].filter((index) => index >= 0);
  const gap = step > 4 ? 1 : 0;
  return html`
    <div ref=${element}>
      <svg role="img" aria-label=${label} width=${width} height=${bottom + 24} viewBox=${`0 0 ${width} ${bottom + 24}`}>
        ${above > 4 && html`
          <text class="axis" x=${left - 8} y=${top + 10} text-anchor="end">${number(highest)}</text>
          <g class="in"><${Glyph} direction="input" x=${left - 30} y=${middle - 10} /></g>
          <text class="axis" x=${left - 8} y=${middle - 6} text-anchor="end">in</text>`}
        ${below > 4 && html`
          <g class="out"><${Glyph} direction="output" x=${left - 36} y=${middle + 10} /></g>
          <text class="axis" x=${left - 8} y=${middle + 14} text-anchor="end">out</text>
          <text class="axis" x=${left - 8} y=${bottom} text-anchor="end">${number(highest)}</text>`}
        ${days.map(({ date, input, output }, index) => html`
          <g key=${date}>
            <title>${utcDay(date)}: ${number(input)} in, ${number(output)} out</title>
            <rect class="hit" x=${left + index * step} y=${top} width=${step} height=${bottom - top} />
            <rect class="in" x=${left + index * step} y=${middle - tall(input)} width=${step - gap} height=${tall(input)} />
            <rect class="out" x=${left + index * step} y=${middle} width=${step - gap} height=${tall(output)} />
          </g>`)}
        <line class="base" x1=${left} x2=${width - right} y1=${middle} y2=${middle} />
        ${marks.map((index) => html`
          <text key=${index} class="axis" x=${left + (index + 0.5) * step} y=${bottom + 18}
            text-anchor=${index === 0 ? "start" : index === days.length - 1 ? "end" : "middle"}>${utcDay(days[index].date)}</text>`)}
      </svg>
    </div>`;
}

const BEFORE_A_NAME = 44;
// Its mark, its name, its line and the end of that.
const MARKS_OF_A_LANE = 4;

/**
 * A record's history: a line for each connector and direction, a point for each sync. `lanes`: [{key, name, direction, from, to,
 * isLive, points: [{at, isLive}]}], times in milliseconds.
 */
export function Timeline({ lanes, label, now }) {
  const [element, width] = useWidth();
  const isNarrow = width < 520;
  // Before a name stand its mark and its direction.
  const names = Math.min(Math.max(...lanes.map((lane) => widthOf(lane.name))), 240) + BEFORE_A_NAME;
  const [left, right, row] = [isNarrow ? 8 : Math.ceil(names) + 16, 12, isNarrow ? 48 : 36];
  const offset = isNarrow ? 20 : 0;
  const begin = Math.min(...lanes.map((lane) => lane.from));
  // It begins a little before the first; a history of a moment is drawn in an hour.
  const since = begin - Math.max((now - begin) * 0.03, AN_HOUR - (now - begin));
  const scale = (at) => left + ((at - since) / Math.max(1, now - since)) * (width - left - right);
  const height = lanes.length * row + 28;
  const marked = useMemo(() => lanes.map((lane) => ({ key: lane.key, lane, points: apart(lane.points, scale) })), [lanes, now, width]);
  const ticks = ticksBetween(since, now, Math.max(2, Math.floor((width - left) / 150)));
  return html`
    <div ref=${element}>
      <svg role="img" aria-label=${label} width=${width} height=${height} viewBox=${`0 0 ${width} ${height}`}>
        ${ticks.map((at, index) => html`
          <g key=${at}>
            <line class="grid" x1=${scale(at)} x2=${scale(at)} y1="0" y2=${height - 22} />
            <text class="axis" x=${scale(at)} y=${height - 6} text-anchor=${index === 0 ? "start" : index === ticks.length - 1 ? "end" : "middle"}>${tickWords(at, now - since)}</text>
          </g>`)}
        ${useSlices(marked, ({ lane, points }, index) => {
          const y = index * row + row / 2 + offset / 2;
          const end = lane.isLive ? now : lane.to;
          return html`
            <g key=${lane.key} class=${way(lane.direction)}>
              <${Glyph} direction=${lane.direction} x=${isNarrow ? left + 5 : 5} y=${isNarrow ? y - 18 : y} />
              <text class="lane" x=${isNarrow ? left + 16 : 16} y=${isNarrow ? y - 14 : y + 4}>${way(lane.direction)} <tspan class="lane-name">${fitted(lane.name, isNarrow ? width - BEFORE_A_NAME - 16 : 240)}</tspan></text>
              <line class=${lane.isLive ? "life" : "life over"} x1=${scale(lane.from)} x2=${scale(end)} y1=${y} y2=${y} />
              ${!lane.isLive && html`<line class="end" x1=${scale(end)} x2=${scale(end)} y1=${y - 6} y2=${y + 6} />`}
              ${points.map((point) => html`<${Point} key=${point.at} x=${scale(point.at)} y=${y} direction=${lane.direction} point=${point} />`)}
            </g>`;
        }, ({ points }) => points.length + MARKS_OF_A_LANE)}
      </svg>
    </div>`;
}

function Glyph({ direction, x, y, isEnded, children }) {
  const kind = isEnded ? "point ended" : "point";
  return direction === "output"
    ? html`<path class=${kind} d=${`M${x} ${y - 5}l5 9h-10z`}>${children}</path>`
    : html`<circle class=${kind} cx=${x} cy=${y} r="4.5">${children}</circle>`;
}

function Point({ x, y, direction, point }) {
  const words = `${day(new Date(point.at).toISOString())}${point.count > 1 ? `: ${number(point.count)} times about then` : ""}${point.isLive ? "" : ", ended since"}`;
  return html`<${Glyph} direction=${direction} x=${x} y=${y} isEnded=${!point.isLive}><title>${words}</title><//>`;
}

/** What the forms of a history mean. */
export const TimelineKey = ({ hasEnded }) => html`
  <p class="key" aria-hidden="true">
    <span class="in"><${KeyMark} direction="input" /> brought in</span>
    <span class="out"><${KeyMark} direction="output" /> sent out</span>
    ${hasEnded && html`<span class="in"><${KeyMark} direction="input" isEnded /> ended since</span>`}
  </p>`;

const KeyMark = ({ direction, isEnded }) => html`
  <svg class=${way(direction)} width="12" height="12" viewBox="0 0 12 12"><g class=${way(direction)}><${Glyph} direction=${direction} x=${6} y=${6} isEnded=${isEnded} /></g></svg>`;

// Points that would lie on each other become one: ten thousand of them are as many as there are pixels.
function apart(points, scale) {
  const found = new Map();
  for (const point of points) {
    const slot = Math.round(scale(point.at) / 6);
    const there = found.get(slot);
    if (there) {
      there.count += 1;
      there.isLive ||= point.isLive;
    } else found.set(slot, { ...point, count: 1 });
  }
  return [...found.values()];
}

function ticksBetween(from, to, count) {
  return Array.from({ length: count }, (_, index) => from + ((to - from) * index) / (count - 1));
}

function tickWords(at, span) {
  const iso = new Date(at).toISOString();
  if (span > 3 * A_DAY) return day(iso);
  return new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }).format(at);
}

/**
 * What flows: connectors in → record types → connectors out. `flows`: [{from, to, value, direction}] between `nodes`: three
 * columns of [{key, name, value}], each column's largest first.
 */
export function Flows({ columns, flows, label }) {
  const [element, width] = useWidth();
  const isNarrow = width < 560;
  const bar = 10;
  // A side is as wide as its longest name and number are, and no wider than leaves room to flow.
  const longestName = Math.max(0, ...[...columns[0], ...columns[2]].map((node) => widthOf(`${node.name} ${number(node.value)}`)));
  const side = isNarrow ? 8 : Math.ceil(Math.min(longestName, width * 0.26)) + 16;
  const room = (column, value) => isNarrow ? (width - 24) / 3 : column === 1 ? 240 : side - 16 - widthOf(` ${number(value)}`);
  const gap = 26;
  const most = Math.max(1, ...columns.map(sum));
  const longest = Math.max(...columns.map((nodes) => nodes.length));
  const height = Math.max(240, longest * 50);
  const unit = Math.max(0, height - longest * gap) / most;
  const places = new Map();
  columns.forEach((nodes, column) => {
    const taken = nodes.reduce((so, node) => so + Math.max(3, node.value * unit) + gap, -gap);
    let y = (height - taken) / 2;
    const x = column === 0 ? side : column === 1 ? width / 2 - bar / 2 : width - side - bar;
    for (const node of nodes) {
      const tall = Math.max(3, node.value * unit);
      places.set(node.key, { x, y, tall, left: 0, right: 0, column });
      y += tall + gap;
    }
  });
  return html`
    <div ref=${element}>
      <svg role="img" aria-label=${label} width=${width} height=${height + 48} viewBox=${`0 -44 ${width} ${height + 52}`}>
        ${columns[0].length > 0 && html`
          <g class="in"><${Glyph} direction="input" x=${side + 5} y=${-36} /><text class="axis" x=${side + 15} y=${-32}>in</text></g>`}
        ${columns[2].length > 0 && html`
          <g class="out"><${Glyph} direction="output" x=${width - side - 5} y=${-36} /><text class="axis" x=${width - side - 15} y=${-32} text-anchor="end">out</text></g>`}
        ${flows.map(({ from, to, value, direction }) => {
          const [a, b] = [places.get(from), places.get(to)];
          const thick = Math.max(1.5, value * unit);
          const [y1, y2] = [a.y + a.right + thick / 2, b.y + b.left + thick / 2];
          a.right += thick;
          b.left += thick;
          const [x1, x2] = [a.x + bar, b.x];
          const mid = (x1 + x2) / 2;
          return html`<path key=${`${from} ${to}`} class=${`flow ${way(direction)}`} stroke-width=${thick}
            d=${`M${x1} ${y1}C${mid} ${y1} ${mid} ${y2} ${x2} ${y2}`}><title>${number(value)} ${way(direction)}</title></path>`;
        })}
        ${columns.flatMap((nodes, column) => nodes.map((node) => {
          const at = places.get(node.key);
          const onTop = isNarrow || column === 1;
          const anchor = onTop ? ["start", "middle", "end"][column] : column === 0 ? "end" : "start";
          const x = onTop ? [at.x, at.x + bar / 2, at.x + bar][column] : column === 0 ? at.x - 8 : at.x + bar + 8;
          return html`
            <g key=${node.key}>
              <rect class="node" x=${at.x} y=${at.y} width=${bar} height=${at.tall} />
              <text class="lane" x=${x} y=${onTop ? at.y - 6 : at.y + at.tall / 2 + 4} text-anchor=${anchor}><tspan class="lane-name">${fitted(node.name, room(column, node.value))}</tspan>${!isNarrow && ` ${number(node.value)}`}</text>
            </g>`;
        }))}
      </svg>
    </div>`;
}

/** The values of nodes or of flows, together. */
export const sum = (nodes) => nodes.reduce((so, node) => so + node.value, 0);
