// Connectors of a workspace: did everything sync?

import { idOf, included, path } from "./api.js";
import { Sparkline } from "./charts.js";
import { A_DAY, ago, daysBefore, listed, number, plural } from "./format.js";
import { html } from "./html.js";
import { useDocument, useEvery, useList } from "./loading.js";
import { AsOf, Choice, Direction, Empty, Loaded, More, Problem, Search, State, Table, Time, View } from "./parts.js";
import { says } from "./reasons.js";
import { fragment, refine } from "./route.js";

// A connector that has synced and not for so long is said to be late; one that syncs less often, after its own time and a day.
const LATE_MS = 3 * A_DAY;
// The status of a connector that somebody disconnected, which is no fault of it.
const OFF = "disconnected";
// So many days of syncs say how often a connector syncs.
const SYNCS_FOR_A_RHYTHM = 3;
export const MONTH = 30;
// So many of a page that a month of all of them, a row a day, is three pages at most.
const PAGE = 50;
const OF_DAYS = 500;

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
 * What is the matter with a connector: `attention`, what has failed of it, in words; `isLate`; `isOff`, whether somebody
 * disconnected it. `lateAfter`: from `lateness`; where that is not known, nobody is late.
 */
export function conditionOf({ status, parked_messages: parked, last_synced_at: synced, last_failed_at: failed }, lateAfter = Infinity) {
  const isOff = status === OFF;
  const isActive = status === "active";
  const attention = [];
  if (!isActive && !isOff) attention.push(status);
  if (parked) attention.push(`${number(parked)} parked`);
  else if (!isOff && failed && (!synced || Date.parse(failed) > Date.parse(synced))) attention.push(`failed ${ago(failed)}`);
  return { attention, isLate: Boolean(isActive && synced && isOlder(synced, lateAfter)), isOff };
}

const isOlder = (iso, milliseconds) => Date.now() - Date.parse(iso) > milliseconds;

/**
 * What is the matter with each of these `workspace_connector` resources, by the same rule in every view: {conditions, isWhole,
 * error}, `conditions` by id. Only of who may be late are the days of a month read.
 */
export function useConditions(rows) {
  const doubtful = rows.filter(({ attributes }) => conditionOf(attributes, LATE_MS).isLate && !isOlder(attributes.last_synced_at, MONTH * A_DAY));
  const month = useMonth(inPages(doubtful));
  return { ...month, conditions: new Map(rows.map((row) => [row.id, conditionOf(row.attributes, lateness(month.of(row.id)))])) };
}

const inPages = (rows) => Array.from({ length: Math.ceil(rows.length / PAGE) }, (_, page) => rows.slice(page * PAGE, (page + 1) * PAGE));

/** The days of the last month on which connectors did anything, asked for in these pages of them: {of(id), isWhole, error}. */
function useMonth(pages) {
  const month = useEvery(pages.map((rows) => path("/v1/connector-activity", {
    "filter[workspace_connector]": rows.map((row) => row.id).sort().join(","), "filter[date][gte]": daysBefore(MONTH - 1),
    "filter[date][lte]": daysBefore(0), "page[size]": OF_DAYS,
  })));
  const found = Map.groupBy(month.rows, (one) => idOf(one, "workspace_connector"));
  return { of: (id) => found.get(id) ?? [], isWhole: month.isWhole, error: month.error };
}

/** After how long without a sync a connector is late, of its `activity` resources of a month: days between its syncs, and a day. */
export function lateness(activity) {
  const days = activity.filter(({ attributes }) => Object.keys(attributes.linked).length).map(({ attributes }) => Date.parse(attributes.date)).sort((a, b) => a - b);
  if (days.length < SYNCS_FOR_A_RHYTHM) return LATE_MS;
  const gaps = days.slice(1).map((day, index) => day - days[index]).sort((a, b) => a - b);
  return Math.max(LATE_MS, gaps[Math.floor(gaps.length / 2)] + A_DAY);
}

const isQuiet = ({ last_synced_at: synced }) => !synced || isOlder(synced, LATE_MS);

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
  const rows = list.rows.map((row) => {
    const activity = month.of(row.id);
    const { attributes } = row;
    const reason = related(row, "last_failure")?.attributes.reason;
    return { id: row.id, attributes, connector: related(row, "connector"), reason, activity, ...conditionOf(attributes, lateness(activity)) };
  }).sort((a, b) => b.attention.length - a.attention.length || b.isLate - a.isLate || a.isOff - b.isOff || nameOf(a.connector).localeCompare(nameOf(b.connector)));
  const shows = SHOWN[show] ?? SHOWN.all;
  const chosen = rows
    .filter(shows.of)
    .filter((row) => `${nameOf(row.connector)} ${row.connector?.attributes.provider ?? ""}`.toLowerCase().includes(text.toLowerCase()));
  const name = workspace?.attributes.name ?? "this workspace";
  // Who is late is known with the month; what is further down comes without waiting for it.
  const shown = month.isWhole || month.error || list.pages.length > 1 ? list : { ...list, document: undefined };
  const lead = shown.document && rows.length > 0 && sentence(rows, name, Boolean(list.next));
  const columns = [
    { name: "Connector", cell: (row) => html`<a href=${fragment(workspaceId, "connectors", [row.id])}>${nameOf(row.connector)}</a>` },
    { name: "Direction", cell: (row) => html`<${Direction} of=${row.connector?.attributes.direction} />` },
    { name: "State", cell: (row) => html`
        <${State} attention=${row.attention.join(", ")} late=${row.isLate && "late"} off=${row.isOff && row.attributes.status} well=${row.attributes.status} />
        ${row.attention.length > 0 && row.reason && html`<br /><span class="quiet">${says(row.reason)}</span>`}` },
    knows(rows, "last_synced_at") && { name: "Last sync", cell: (row) => html`<${Time} at=${row.attributes.last_synced_at} />` },
    !month.error && { name: "30 days", cell: (row) => html`<${Month} row=${row} from=${from} to=${to} isWhole=${month.isWhole} />` },
    knows(rows, "live_rows") && { name: "Live rows", kind: "number", cell: (row) => number(row.attributes.live_rows) },
    knows(rows, "parked_messages") && { name: "Parked", kind: "number", cell: (row) => row.attributes.parked_messages
        ? html`<a href=${fragment(workspaceId, "failures", [], { connector: row.id })}>${number(row.attributes.parked_messages)}</a>`
        : html`<span class="quiet">none</span>` },
  ].filter(Boolean);
  return html`
    <${View} title="Connectors" lead=${lead} aside=${html`<${AsOf} at=${list.at} live=${!list.error} path=${url} />`}>
      <div class="filters">
        <${Choice} label="Which connectors" value=${show} choose=${(value) => refine({ show: value === "all" ? "" : value })}
          options=${Object.entries(SHOWN).map(([value, { words }]) => [value, words])} />
        <${Search} label="Find by name" value=${text} choose=${(q) => refine({ q })} />
      </div>
      <${Loaded} of=${shown} what=${`the connectors of ${name}`} lines=${6}>${() =>
        rows.length === 0
          ? html`<${Empty}>${name} has no connector. One appears here when the platform's feed tells of it.<//>`
          : chosen.length === 0
            ? html`<${Empty}>${text ? "No connector of these has that in its name." : shows.none}<//>`
            : html`<${Table} caption="Connectors" columns=${columns} rows=${chosen} />`}<//>
      ${month.error && html`<${Problem} error=${month.error} />`}
      <${More} of=${list} />
    <//>`;
}

// What of the connectors is shown, and what is said where it is none.
const SHOWN = {
  all: { words: "All", of: () => true },
  attention: { words: "Attention", of: (row) => row.attention.length, none: "No connector needs attention." },
  late: { words: "Late", of: (row) => row.isLate, none: "No connector is late." },
  quiet: { words: "Quiet", of: (row) => isQuiet(row.attributes), none: "No connector is quiet: each has synced in the last 3 days." },
};

function sentence(rows, name, hasMore) {
  const [attention, late, off] = [rows.filter((row) => row.attention.length), rows.filter((row) => row.isLate), rows.filter((row) => row.isOff)].map((some) => some.length);
  const of = `of ${plural(rows.length, "connector")}${hasMore ? " so far" : ""} of ${name}`;
  const others = [late && `${number(late)} ${isOrAre(late)} late`, off && `${number(off)} ${isOrAre(off)} disconnected`].filter(Boolean);
  return `${attention ? number(attention) : "None"} ${of} ${attention > 1 ? "need" : "needs"} attention${others.length ? `; ${listed(others)}` : ""}.`;
}

const isOrAre = (count) => (count === 1 ? "is" : "are");

// An older API does not say it.
const knows = (rows, attribute) => rows.some((row) => attribute in row.attributes);

function Month({ row, from, to, isWhole }) {
  const days = byDay(row.activity, from, to);
  const counts = days.map(({ input, output }) => input + output);
  const sum = counts.reduce((so, count) => so + count, 0);
  const busy = counts.filter(Boolean).length;
  if (!isWhole) return html`<span class="spark-wait"></span>`;
  const label = sum ? `${plural(sum, "row")} on ${plural(busy, "day")} of the last 30` : "No rows in the last 30 days";
  return html`<span class="spark-cell" title=${label}><${Sparkline} values=${counts} label=${label} direction=${row.connector?.attributes.direction} /></span>`;
}
