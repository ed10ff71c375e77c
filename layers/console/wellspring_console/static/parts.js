// What every view is made of: states, times, directions, ids, tables.

import { curl } from "./api.js";
import { ago, capital, clock, instant, number, way } from "./format.js";
import { html, useEffect, useRef, useState } from "./html.js";
import { signIn } from "./session.js";

// ---- a view's frame -------------------------------------------------------------------------------------------------

/**
 * A heading, its sentence, what it shows. `lead` answers the view's question in words; undefined while it is waited for. `before`
 * is what must be read even before that.
 */
export function View({ title, aside, lead, before, children }) {
  useEffect(() => {
    document.title = `${title} · Wellspring`;
  }, [title]);
  return html`
    <header class="view-head">
      <h1 tabindex="-1" id="title">${title}</h1>
      ${aside && html`<div class="aside">${aside}</div>`}
    </header>
    ${before}
    ${lead ? html`<p class="lead">${lead}</p>` : lead === undefined && html`<div class="lead-room"></div>`}
    ${children}`;
}

/** A part of a view with a heading of its own. */
export const Section = ({ title, aside, children }) => html`
  <section>
    <header class="section-head"><h2>${title}</h2>${aside && html`<div class="aside">${aside}</div>`}</header>
    ${children}
  </section>`;

/** When what is shown was read, and the command that shows the same. */
export const AsOf = ({ at, live, path }) => html`
  ${at && html`<span class="quiet">as of ${clock(at)}${live ? ", live" : ""}</span>`}
  ${path && html`<${Copy} text=${curl(path)} label="curl" what="Copy the curl command that shows this" />`}`;

// ---- states ---------------------------------------------------------------------------------------------------------

/**
 * Shows what was loaded, or why it is not there. `of` is what `useDocument` or `useList` returned; `what` is waited for;
 * `lines` is how tall the answer will be.
 */
export function Loaded({ of, what, lines = 4, children }) {
  if (of.error && !of.document) return html`<${Problem} error=${of.error} retry=${of.reload} />`;
  if (!of.document) return html`<${Waiting} what=${what} lines=${lines} />`;
  return html`
    <${Problem} error=${of.error} retry=${of.reload} stale=${of.at} />
    ${children()}`;
}

function Waiting({ what, lines }) {
  const [isLong, setLong] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLong(true), 900);
    return () => clearTimeout(timer);
  }, []);
  return html`
    <div class="waiting" role="status">
      <p class=${isLong ? "quiet" : "quiet unseen"}>Waiting for the API: ${what}.</p>
      ${Array.from({ length: lines }, (_, index) => html`<div class="bone" key=${index}></div>`)}
    </div>`;
}

/** An error in the API's own words, with the id by which the log knows the request; nothing where there is none. */
export function Problem({ error, retry, stale }) {
  if (!error) return null;
  const [first] = error.errors;
  const heading = error.status === 403 ? "You may not do or see this" : error.status === 401 ? "Your sign-in has ended" : first.title;
  return html`
    <div class="problem" role="alert">
      <p class="problem-title"><${Sign} kind="attention" /> ${heading}</p>
      ${error.errors.map((one) => html`
        <p key=${one.detail}>${one.title !== heading && html`<b>${one.title}.</b> `}${one.detail}</p>`)}
      ${stale && html`<p class="quiet">What stands below was read at ${clock(stale)}.</p>`}
      ${error.requestId && html`<p class="quiet">Request <${Id} id=${error.requestId} /></p>`}
      ${error.status === 401
        ? html`<button onClick=${() => signIn().catch(() => {})}>Sign in again</button>`
        : retry && error.status !== 403 && html`<button onClick=${retry}>Try again</button>`}
    </div>`;
}

/** Why there is nothing, and what would fill it. */
export const Empty = ({ children }) => html`<p class="empty">${children}</p>`;

/** The way to the next page. */
export function More({ of, what = "" }) {
  if (!of.next && !of.moreError) return null;
  return html`
    <div class="more">
      <${Problem} error=${of.moreError} />
      <button onClick=${of.more} disabled=${of.isLoadingMore}>${of.isLoadingMore ? "Loading more…" : `Load more${what && ` ${what}`}`}</button>
      <span class="quiet">${number(of.rows.length)}${what && ` ${what}`} shown, there are more.</span>
    </div>`;
}

/** A list: `children(rows)` draws its rows, `empty` says why there are none; and the way to the next page. */
export const List = ({ of, what, lines, empty, children }) => html`
  <${Loaded} of=${of} what=${what} lines=${lines}>${() => of.rows.length === 0 ? html`<${Empty}>${empty}<//>` : children(of.rows)}<//>
  <${More} of=${of} />`;

/** The button that shows some more of what has come. */
export const ShowMore = ({ shown, all, step, show }) => all > shown && html`
  <button class="link" onClick=${() => show(shown + step)}>Show ${number(Math.min(step, all - shown))} more of ${number(all)}</button>`;

/** What the ledger is: what comes in, and what goes out. */
export const Logo = () => html`
  <svg class="logo" viewBox="0 0 26 12" aria-hidden="true"><path class="line" d="M6 6h14" /><circle class="in" cx="5" cy="6" r="4.2" /><path class="out" d="M20 1l5 9.6H15z" /></svg>`;

// ---- small things ---------------------------------------------------------------------------------------------------

/** An instant: how long ago, with local and UTC on hover. `never` where there is none. */
export const Time = ({ at, never = "never" }) =>
  at ? html`<time datetime=${at} title=${instant(at)}>${ago(at)}</time>` : html`<span class="quiet">${never}</span>`;

// The mark of a direction, told apart by its form: a circle for in, a triangle for out.
const Mark = ({ direction }) => html`
  <svg class=${`mark ${way(direction)}`} viewBox="0 0 10 10" aria-hidden="true">
    ${direction === "output" ? html`<path d="M5 .8 9.6 9.2H.4Z" />` : html`<circle cx="5" cy="5" r="4.2" />`}
  </svg>`;

/** A direction: its mark and its word. */
export const Direction = ({ of }) =>
  of ? html`<span class="direction"><${Mark} direction=${of} />${way(of)}</span>` : html`<span class="quiet">unknown</span>`;

// A diamond with a mark, a clock, a circle struck through: told apart by their forms.
const SIGNS = {
  attention: html`<rect x="1" y="1" width="10" height="10" transform="rotate(45 6 6) scale(.8) translate(1.5 1.5)" /><path d="M6 3.4v3.4M6 8.2v.9" />`,
  late: html`<circle cx="6" cy="6" r="5" /><path d="M6 3v3.2l2.2 1.4" />`,
  off: html`<circle cx="6" cy="6" r="5" /><path d="M2.5 9.5l7-7" />`,
};

/** The sign that goes with a word: "attention", "late" or "off". */
export const Sign = ({ kind }) => html`
  <svg class=${`sign ${kind}`} viewBox="0 0 12 12" aria-hidden="true">
    ${SIGNS[kind]}
  </svg>`;

/** A word that wants attention: the only one in red. */
export const Attention = ({ children }) => html`<span class="attention"><${Sign} kind="attention" /> ${children}</span>`;

/** A word for what has not come yet. */
export const Late = ({ children }) => html`<span class="late"><${Sign} kind="late" /> ${children}</span>`;

/** A word for what somebody switched off, which is no fault. */
export const Off = ({ children }) => html`<span class="quiet"><${Sign} kind="off" /> ${children}</span>`;

/** What is the matter, in words: `attention`, `late` and `off`, each with its own sign; `well` where none of them is said. */
export const State = ({ attention, late, off, well }) => html`
  <span class="states">
    ${attention && html`<${Attention}>${attention}<//>`}
    ${late && html`<${Late}>${late}<//>`}
    ${off && html`<${Off}>${off}<//>`}
    ${!attention && !late && !off && html`<span class="quiet">${well}</span>`}
  </span>`;

/** A button that copies a text; `what` it does is said on hover. */
export function Copy({ text, label = "copy", what }) {
  const [said, setSaid] = useState("");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setSaid("copied");
    } catch {
      setSaid("not copied");
    }
    setTimeout(() => setSaid(""), 1500);
  };
  return html`<button class="copy" onClick=${copy} title=${what} aria-label=${said || what}>
    <span aria-hidden="true">${said || label}</span></button>`;
}

/** An id, shortened where there is no room, with a way to copy all of it. */
export const Id = ({ id }) => html`<span class="id"><code title=${id}>${id}</code><${Copy} text=${id} what="Copy this id" /></span>`;

/** A choice of a few, as links or buttons of which one is pressed. */
export const Choice = ({ label, options, value, choose }) => html`
  <div class="choice" role="group" aria-label=${label}>
    ${options.map(([name, words]) => html`
      <button key=${name} aria-pressed=${String(name === value)} onClick=${() => choose(name)}>${words}</button>`)}
  </div>`;

/** A field to search in; what is typed is given on once it has stood still. */
export function Search({ label, value, choose, placeholder }) {
  const [text, setText] = useState(value);
  const given = useRef(value);
  useEffect(() => {
    if (value !== given.current) setText((given.current = value));
  }, [value]);
  useEffect(() => {
    if (text === given.current) return undefined;
    const timer = setTimeout(() => choose((given.current = text)), 250);
    return () => clearTimeout(timer);
  }, [text]);
  return html`
    <label class="search"><span>${label}</span>
      <input type="search" value=${text} placeholder=${placeholder ?? ""} autocomplete="off" spellcheck=${false}
        onInput=${(event) => setText(event.target.value)} /></label>`;
}

/**
 * A table that becomes a list of its rows where there is no room for columns; a table of a few short numbers stays one
 * (`isNarrow`), and its columns of the kind "wide" leave it. `columns`: [{name, cell(row), kind}], where kind is a class or
 * several: "number", "short", "wide"; the first column names the row.
 */
export const Table = ({ caption, columns, rows, keyOf = (row) => row.id, isNarrow = false }) => html`
  <table class=${isNarrow ? "narrow" : ""}>
    <caption class="unseen">${caption}</caption>
    <thead><tr>${columns.map((column) => html`<th key=${column.name} scope="col" class=${column.kind ?? ""}>${column.name}</th>`)}</tr></thead>
    <tbody>
      ${rows.map((row) => html`
        <tr key=${keyOf(row)}>
          ${columns.map((column, index) => index === 0
            ? html`<th key=${column.name} scope="row" class=${column.kind ?? ""}>${column.cell(row)}</th>`
            : html`<td key=${column.name} class=${column.kind ?? ""} data-name=${column.name}>${column.cell(row)}</td>`)}
        </tr>`)}
    </tbody>
  </table>`;

/** A chart and the table that says the same; the table is one press away. */
export function Twin({ title, chart, table }) {
  const [isOpen, setOpen] = useState(false);
  return html`
    <figure>
      <div class="chart">${chart}</div>
      <button class="link" aria-expanded=${String(isOpen)} onClick=${() => setOpen(!isOpen)}>${isOpen ? "Hide the table" : "Show as a table"}</button>
      ${isOpen && html`<div class="twin" role="region" aria-label=${`${capital(title)}, as a table`} tabindex="0">${table()}</div>`}
    </figure>`;
}

/** A description list of a few facts. */
export const Facts = ({ of }) => html`
  <dl class="facts">${of.filter(Boolean).map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
