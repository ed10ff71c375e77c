// Connectors of a workspace: did everything sync?

import { idOf, included, path } from "./api.js";
import { Sparkline } from "./charts.js";
import { A_DAY, ago, ahead, daysBefore, listed, number, plural } from "./format.js";
import { html, useState } from "./html.js";
import { useDocument, useEvery, useList } from "./loading.js";
import { AsOf, Choice, Direction, Empty, Loaded, More, Problem, Search, Sign, State, Table, Time, View } from "./parts.js";
import { says } from "./reasons.js";
import { fragment, refine } from "./route.js";

export const MONTH = 30;
// So many of a page that a month of all of them, a row a day, is three pages at most.
const PAGE = 50;
const OF_DAYS = 500;
// So many things to do are told at first.
const TOLD = 5;

/** The name by which people know a workspace's connector. */
export const nameOf = (connector) => connector?.attributes.name ?? "a connector that is gone";

/** The names of a workspace's connectors, for views of something else: {list, named}; `named(id)` once `list` has a document. */
export function useNames(workspaceId) {
  const list = useDocument(workspaceId && path("/v1/workspace-connectors", {
    "filter[workspace]": workspaceId, include: "connector", "fields[workspace_connector]": "connector",
    "fields[connector]": "name,direction", "page[size]": 500,
  }));
  const { related } = included(list.document);
  const names = new Map((list.document?.data ?? []).map((row) => [row.id, nameOf(related(row, "connector"))]));
  return { list, named: (id) => names.get(id) ?? nameOf(null) };
}

/**
 * What is the matter with a connector, in words, by the reasons of its health that the API gives: `error`, a status that fails;
 * `waiting`, how much is parked, where that fails; `reconnect`, how its consent stands, where that matters; `attention`, all
 * three; `isLate`; `isOff`, whether it was disconnected: then nothing else is the matter; `isNew`.
 */
export function conditionOf({ status, health_reasons: reasons, parked_messages: parked }) {
  const at = new Map(reasons.map((reason) => [reason.code, reason.at]));
  if (at.has("disconnected")) return { attention: [], isLate: false, isOff: true };
  const error = at.has("failing") && status !== "active" && status;
  const waiting = at.has("failing") && parked;
  const ended = at.get("consent_expired");
  const ends = at.get("consent_expires");
  const reconnect = ended ? `its consent ended ${ago(ended)}` : ends ? `its consent ends ${ahead(ends)}` : "";
  const attention = [error, waiting && `${number(waiting)} parked`, reconnect && `reconnect: ${reconnect}`].filter(Boolean);
  return { attention, error, waiting, reconnect, isLate: at.has("late"), isOff: false, isNew: at.has("new") };
}

/** What a person must do about a connector, of `rowOf`: [{place, words, why, href}], where the lower place comes first. */
function tasksOf({ id, attributes, connector, reason, error, waiting, reconnect, isLate }, workspaceId) {
  const codes = new Map(attributes.health_reasons.map((one) => [one.code, one.at]));
  const name = nameOf(connector);
  const page = fragment(workspaceId, "connectors", [id]);
  return [
    reconnect && { place: codes.has("consent_expired") ? 0 : 1, words: `Reconnect ${name}`, why: reconnect, href: page },
    error && { place: 2, words: `Look at ${name}`, why: `its status is “${error}”`, href: page },
    waiting && { place: 2, words: `Look at what ${name} could not bring`, why: `${plural(waiting, "message is", "messages are")} parked${reason ? `. ${says(reason).slice(0, -1)}` : ""}`,
      href: fragment(workspaceId, "failures", [], { connector: id }) },
    isLate && { place: 3, words: `Find out why ${name} does not sync`, why: `it was expected ${ago(codes.get("late"))}`, href: page },
  ].filter(Boolean);
}

/** A row of connectors, with its tool, the reason of its last failure and `conditionOf` it; `related` finds what is included. */
export const rowOf = (row, related) => ({
  id: row.id, attributes: row.attributes, connector: related(row, "connector"),
  reason: related(row, "last_failure")?.attributes.reason, ...conditionOf(row.attributes),
});

/** How a connector stands, and what its last failure says: `row` is of `rowOf`. */
export const Standing = ({ row }) => html`
  <${State} attention=${row.attention.join(", ")} late=${row.isLate && "late"} off=${row.isOff && "disconnected"} well=${row.isNew ? "never synced" : row.attributes.status} />
  ${row.attention.length > 0 && row.reason && html`<br /><span class="quiet">${says(row.reason)}</span>`}`;

/** How many messages are parked, of a workspace or of one connector of it: the number leads to them. */
export const Parked = ({ count, workspaceId, connector }) => count
  ? html`<a href=${fragment(workspaceId, "failures", [], { connector })}>${number(count)}</a>`
  : html`<span class="quiet">none</span>`;

/** The days of the last month on which connectors did anything, asked for in these pages of them: {of(id), isWhole, error}. */
function useMonth(pages) {
  const month = useEvery(pages.map((rows) => path("/v1/connector-activity", {
    "filter[workspace_connector]": rows.map((row) => row.id).sort().join(","), "filter[date][gte]": daysBefore(MONTH - 1),
    "filter[date][lte]": daysBefore(0), "page[size]": OF_DAYS,
  })));
  const found = Map.groupBy(month.rows, (one) => idOf(one, "workspace_connector"));
  return { of: (id) => found.get(id) ?? [], isWhole: month.isWhole, error: month.error };
}

/** The days of a range with what was linked on each: [{date, input, output}], of `activity` resources. */
export function byDay(rows, from, to, type) {
  const found = new Map();
  for (let at = Date.parse(from); at <= Date.parse(to); at += A_DAY) {
    const date = new Date(at).toISOString().slice(0, 10);
    found.set(date, { date, input: 0, output: 0 });
  }
  for (const { attributes } of rows) {
    const day = found.get(attributes.date);
    for (const [of, counts] of Object.entries(day ? attributes.linked : {})) {
      if (type && of !== type) continue;
      day.input += counts.input ?? 0;
      day.output += counts.output ?? 0;
    }
  }
  return [...found.values()];
}

export function Connectors({ workspaceId, workspace, query }) {
  const show = query.get("show") ?? "all";
  const text = query.get("q") ?? "";
  const url = path("/v1/workspace-connectors", { "filter[workspace]": workspaceId, include: "connector,last_failure", "page[size]": PAGE });
  const list = useList(url, { live: true });
  const [from, to] = [daysBefore(MONTH - 1), daysBefore(0)];
  const month = useMonth(list.pages.map((page) => page.data).filter((page) => page.length));
  const { related } = included(...list.pages);
  const rows = list.rows.map((row) => ({ ...rowOf(row, related), activity: month.of(row.id) }))
    .sort((a, b) => b.attention.length - a.attention.length || b.isLate - a.isLate || a.isOff - b.isOff || nameOf(a.connector).localeCompare(nameOf(b.connector)));
  const shows = SHOWN[show] ?? SHOWN.all;
  const chosen = rows
    .filter(shows.of)
    .filter((row) => `${nameOf(row.connector)} ${row.connector?.attributes.provider ?? ""}`.toLowerCase().includes(text.toLowerCase()));
  const name = workspace?.attributes.name ?? "this workspace";
  const lead = list.document && rows.length > 0 && sentence(rows, name, Boolean(list.next));
  const tasks = rows.map((row) => tasksOf(row, workspaceId));
  const columns = [
    { name: "Connector", cell: (row) => html`<a href=${fragment(workspaceId, "connectors", [row.id])}>${nameOf(row.connector)}</a>` },
    { name: "Direction", cell: (row) => html`<${Direction} of=${row.connector?.attributes.direction} />` },
    { name: "State", cell: (row) => html`<${Standing} row=${row} />` },
    { name: "Last sync", cell: (row) => html`<${Time} at=${row.attributes.last_synced_at} />` },
    !month.error && { name: "30 days", cell: (row) => html`<${Month} row=${row} from=${from} to=${to} isWhole=${month.isWhole} />` },
    { name: "Live rows", kind: "number", cell: (row) => number(row.attributes.live_rows) },
    { name: "Parked", kind: "number", cell: (row) => html`<${Parked} count=${row.attributes.parked_messages} workspaceId=${workspaceId} connector=${row.id} />` },
  ].filter(Boolean);
  return html`
    <${View} title="Connectors" lead=${lead} before=${html`<${Tasks} tasks=${ordered(tasks)} />`} aside=${html`<${AsOf} at=${list.at} live=${!list.error} path=${url} />`}>
      <${Loaded} of=${list} what=${`the connectors of ${name}`} lines=${6}>${() =>
        rows.length === 0
          ? html`<${Empty}>${name} has no connector. One appears here when the platform's feed tells of it.<//>`
          : html`
            <div class="filters">
              <${Choice} label="Which connectors" value=${show} choose=${(value) => refine({ show: value === "all" ? "" : value })}
                options=${Object.entries(SHOWN).map(([value, { words }]) => [value, words])} />
              <${Search} label="Find by name" value=${text} choose=${(q) => refine({ q })} />
            </div>
            ${chosen.length === 0
              ? html`<${Empty}>${text ? "No connector of these has that in its name." : shows.none}<//>`
              : html`<${Table} caption="Connectors" columns=${columns} rows=${chosen} />`}`}<//>
      <${Problem} error=${month.error} />
      <${More} of=${list} />
    <//>`;
}

// What a person at the customer does, to reconnect, comes before what somebody mends.
const ordered = (tasks) => tasks.flat().sort((a, b) => a.place - b.place);

function Tasks({ tasks }) {
  const [isWhole, setWhole] = useState(false);
  if (tasks.length === 0) return null;
  return html`
    <ul class="to-do" aria-label="To do">
      ${(isWhole ? tasks : tasks.slice(0, TOLD)).map(({ words, why, href }) => html`
        <li key=${href + words}><${Sign} kind="attention" /><span><a href=${href}>${words}</a>: ${why}.</span></li>`)}
      ${!isWhole && tasks.length > TOLD && html`<li><button class="link" onClick=${() => setWhole(true)}>${number(tasks.length - TOLD)} more to do</button></li>`}
    </ul>`;
}

// What of the connectors is shown, and what is said where it is none.
const SHOWN = {
  all: { words: "All", of: () => true },
  attention: { words: "Attention", of: (row) => row.attention.length, none: "No connector needs attention." },
  late: { words: "Late", of: (row) => row.isLate, none: "No connector is late." },
  reconnect: { words: "To reconnect", of: (row) => row.reconnect, none: "No connector has a consent that has ended, or ends within 30 days." },
};

function sentence(rows, name, hasMore) {
  const [attention, late, off] = [rows.filter((row) => row.attention.length), rows.filter((row) => row.isLate), rows.filter((row) => row.isOff)].map((some) => some.length);
  const of = `of ${plural(rows.length, "connector")}${hasMore ? " so far" : ""} of ${name}`;
  const others = [late && `${number(late)} ${isOrAre(late)} late`, off && `${number(off)} ${isOrAre(off)} disconnected`].filter(Boolean);
  return `${attention ? number(attention) : "None"} ${of} ${attention > 1 ? "need" : "needs"} attention${others.length ? `; ${listed(others)}` : ""}.`;
}

const isOrAre = (count) => (count === 1 ? "is" : "are");

function Month({ row, from, to, isWhole }) {
  const days = byDay(row.activity, from, to);
  const counts = days.map(({ input, output }) => input + output);
  const sum = counts.reduce((so, count) => so + count, 0);
  const busy = counts.filter(Boolean).length;
  if (!isWhole) return html`<span class="spark-wait"></span>`;
  const label = sum ? `${plural(sum, "row")} on ${plural(busy, "day")} of the last 30` : "No rows in the last 30 days";
  return html`<span title=${label}><${Sparkline} values=${counts} label=${label} direction=${row.connector?.attributes.direction} /></span>`;
}
