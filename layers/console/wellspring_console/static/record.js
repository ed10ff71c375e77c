// One record: where it came from, where it went, when it was last seen.

import { idOf, included, path } from "./api.js";
import { Timeline, TimelineKey } from "./charts.js";
import { nameOf } from "./connectors.js";
import { ago, capital, capped, day, listed, number, plural } from "./format.js";
import { html, useMemo, useState } from "./html.js";
import { useDocument, useList } from "./loading.js";
import { AsOf, Copy, Direction, Empty, Id, Loaded, More, Problem, Section, ShowMore, Table, Time, Twin, View } from "./parts.js";
import { fragment } from "./route.js";
import { kindOf } from "./reasons.js";
import { titleOf } from "./records.js";
import { recordType } from "./settings.js";

// Rows of the table: as many are drawn at once, and as many more when one asks.
const SHOWN = 100;

export function Record({ workspaceId, rest: [typeName, id] }) {
  const type = recordType(typeName);
  if (!type || !id) return html`<${View} title="Record" lead=${null}><${Empty}>There is no such type of record.<//><//>`;
  return html`<${Known} type=${type} id=${id} workspaceId=${workspaceId} />`;
}

function Known({ type, id, workspaceId }) {
  const url = `${type.route}/${encodeURIComponent(id)}`;
  const record = useDocument(url);
  const history = useList(path(type.links, {
    [`filter[${type.type}]`]: id, "filter[deleted]": "include", include: "workspace_connector.connector,sync_message,ended_by",
    "fields[workspace_connector]": "connector", "fields[connector]": "name", "fields[sync_message]": "message_id,message_type,run",
    "page[size]": 500,
  }));
  const sourcesUrl = path(`${url}/sources`, { "page[size]": 500 });
  const sources = useDocument(sourcesUrl);
  const [lanes, now] = useMemo(
    () => [lanesOf(sources.document, history), Date.now()],
    [sources.document, history.document, history.pages.length],
  );
  const title = record.document ? titleOf(record.document.data, type.type) : "Record";
  const isCapped = sources.document?.data.some((source) => source.attributes.rows_is_capped) ?? false;
  return html`
    <${View} title=${title} lead=${history.document && lanes.length > 0 && sentence(lanes)}
      aside=${html`<${AsOf} at=${history.at} path=${sourcesUrl} />`}>
      <${Loaded} of=${record} what="the record" lines=${1}>${() => html`<p class="under"><span>${type.name}</span> <${Id} id=${id} /></p>`}<//>
      ${record.document && html`
        <${Loaded} of=${history} what=${`the history of ${title}`} lines=${5}>${() =>
          lanes.length === 0
            ? html`<${Empty}>No connector has brought ${title} in or taken it out yet. Syncs appear here within seconds.<//>`
            : html`
              <${Twin} title="history" table=${() => html`<${Lanes} lanes=${lanes} workspaceId=${workspaceId} isCapped=${isCapped} />`}
                chart=${html`<${Timeline} lanes=${lanes} now=${now} label=${`${title}: ${plural(lanes.length, "line")}, one for each connector and direction; the table says the same`} />
                  <${TimelineKey} hasEnded=${history.rows.some((row) => row.attributes.deleted_at)} />`} />
              <${More} of=${history} what="times" />
              <p>${onlySource(lanes, title)}</p>
              ${sources.error && sources.error.status !== 404 && html`<${Problem} error=${sources.error} retry=${sources.reload} />`}
              <${Section} title="Each time"><${Rows} history=${history} workspaceId=${workspaceId} lanes=${lanes} /><//>`}<//>`}
    <//>`;
}

// ---- lanes: one for each connector and direction ------------------------------------------------------------------------

// Of the record's sources, which count all rows; where they are not there, of the rows that have come.
function lanesOf(sources, { rows, pages }) {
  const { related } = included(...pages);
  const keyOf = (one) => `${idOf(one, "workspace_connector")} ${one.attributes.direction}`;
  const names = new Map(rows.map((row) => [idOf(row, "workspace_connector"), nameOf(related(row, "workspace_connector", "connector"))]));
  const byLane = Map.groupBy(rows, keyOf);
  const lanes = (sources?.data ?? [...byLane.values()].map(sourceOf)).map((source) => {
    const { direction, first_at: first, last_at: last, rows: count, live } = source.attributes;
    const [id, key] = [idOf(source, "workspace_connector"), keyOf(source)];
    const mine = byLane.get(key) ?? [];
    const ends = mine.map((row) => Date.parse(row.attributes.deleted_at ?? row.attributes.created_at));
    return {
      key, id, direction, name: names.get(id) ?? nameOf(null), rows: count, live, isLive: live > 0, last,
      from: Date.parse(first), to: Math.max(Date.parse(last), ...ends),
      points: mine.map((row) => ({ at: Date.parse(row.attributes.created_at), isLive: !row.attributes.deleted_at })),
    };
  });
  // In before out, as it flows; the first to bring it first.
  return lanes.sort((a, b) => a.direction.localeCompare(b.direction) || a.from - b.from);
}

// What the API would say of the source that has these rows only.
function sourceOf(rows) {
  const times = rows.map((row) => row.attributes.created_at).sort();
  const live = rows.filter((row) => !row.attributes.deleted_at).length;
  const [{ attributes: { direction }, relationships }] = rows;
  return { relationships, attributes: { direction, first_at: times[0], last_at: times.at(-1), rows: rows.length, live } };
}

function sentence(lanes) {
  const inward = lanes.filter((lane) => lane.direction === "input");
  const outward = lanes.filter((lane) => lane.direction === "output");
  const first = inward[0];
  const last = inward.reduce((best, lane) => (!best || Date.parse(lane.last) > Date.parse(best.last) ? lane : best), null);
  const parts = [
    first && `first seen ${day(new Date(first.from).toISOString())} from ${first.name}`,
    last && `last seen ${ago(last.last)} from ${last.name}`,
    outward.length > 0 && `sent to ${listed(outward.map((lane) => lane.name))}`,
  ].filter(Boolean);
  return `${capital(parts.join("; "))}.`;
}

function onlySource(lanes, title) {
  const bring = lanes.filter((lane) => lane.direction === "input" && lane.isLive);
  if (bring.length === 0) return `No connector brings ${title} in now.`;
  if (bring.length === 1) return html`<b>${bring[0].name} is its only source</b>: without it, nothing brings ${title} in.`;
  return `${plural(bring.length, "connector")} bring it in: if one of them is disconnected, the others still do.`;
}

// ---- tables ---------------------------------------------------------------------------------------------------------

const Lanes = ({ lanes, workspaceId, isCapped }) => html`
  <${Table} caption="Where it came from and where it went" rows=${lanes} keyOf=${(lane) => lane.key} columns=${[
    { name: "Connector", cell: (lane) => html`<a href=${fragment(workspaceId, "connectors", [lane.id])}>${lane.name}</a>` },
    { name: "Direction", cell: (lane) => html`<${Direction} of=${lane.direction} />` },
    { name: "First", cell: (lane) => html`<${Time} at=${new Date(lane.from).toISOString()} />` },
    { name: "Last", cell: (lane) => html`<${Time} at=${lane.last} />` },
    { name: "Times", kind: "number", cell: (lane) => capped(lane.rows, isCapped) },
    { name: "Live rows", kind: "number", cell: (lane) => number(lane.live) },
  ]} />`;

function Rows({ history, workspaceId, lanes }) {
  const [shown, setShown] = useState(SHOWN);
  const names = new Map(lanes.map((lane) => [lane.id, lane.name]));
  const { related } = included(...history.pages);
  return html`
    <div class="long">
      <${Table} caption="Each time, the newest first" rows=${history.rows.slice(0, shown)} columns=${[
        { name: "When", cell: (row) => html`<${Time} at=${row.attributes.created_at} />` },
        { name: "Connector", cell: (row) => {
          const id = idOf(row, "workspace_connector");
          return html`<a href=${fragment(workspaceId, "connectors", [id])}>${names.get(id) ?? "a connector that is gone"}</a>`;
        } },
        { name: "Direction", cell: (row) => html`<${Direction} of=${row.attributes.direction} />` },
        { name: "By", cell: (row) => html`<${By} message=${related(row, "sync_message")} />` },
        { name: "Ended", cell: (row) => row.attributes.deleted_at
            ? html`<${Time} at=${row.attributes.deleted_at} /><br /><span class="quiet">by <${By} message=${related(row, "ended_by")} /></span>`
            : html`<span class="quiet">live</span>` },
      ]} />
    </div>
    ${history.rows.length > shown && html`<p class="after"><${ShowMore} shown=${shown} all=${history.rows.length} step=${SHOWN} show=${setShown} /></p>`}`;
}

// Which message linked or ended a row: its run where it names one, for who looks for it in a log; its id to copy.
function By({ message }) {
  if (!message) return html`<span class="quiet">a request, or no longer kept</span>`;
  const { message_id: id, message_type: type, run } = message.attributes;
  return html`<span>${kindOf(type)}${run && html` <code>${run}</code>`} <${Copy} text=${id} label="id" what="Copy the id of the message" /></span>`;
}
