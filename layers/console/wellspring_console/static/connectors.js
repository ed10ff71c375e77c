// Connectors of a workspace: did everything sync?

import { idOf, included, path } from "./api.js";
import { Sparkline } from "./charts.js";
import { A_DAY, ago, daysBefore, number, plural } from "./format.js";
import { html } from "./html.js";
import { useDocument, useEvery, useList } from "./loading.js";
import { AsOf, Attention, Choice, Direction, Empty, Loaded, More, Problem, Search, Table, Time, View } from "./parts.js";
import { says } from "./reasons.js";
import { fragment, refine } from "./route.js";

// A connector that has synced and not for so long is said to be late; one that syncs less often, after its own time and a day.
const LATE_MS = 3 * A_DAY;
// So many days of syncs say how often a connector syncs.
const SYNCS_FOR_A_RHYTHM = 3;
export const MONTH = 30;
// So many of a page that a month of all of them, a row a day, is three pages at most.
const PAGE = 50;

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

/** What has failed of a connector, in words; empty where nothing has. */
export function faults({ status, parked_messages: parked, last_synced_at: synced, last_failed_at: failed }) {
  const found = [];
  if (status !== "active") found.push(status);
  if (parked) found.push(`${number(parked)} parked`);
  else if (failed && (!synced || Date.parse(failed) > Date.parse(synced))) found.push(`failed ${ago(failed)}`);
  return found;
}

/** What of a connector wants attention, in words: what has failed, and that it is late. `lateAfter`: from `lateness`. */
export function complaints(attributes, lateAfter) {
  const { status, last_synced_at: synced } = attributes;
  const isLate = status === "active" && synced && Date.now() - Date.parse(synced) > lateAfter;
  return [...faults(attributes), ...(isLate ? ["late"] : [])];
}

/** After how long without a sync a connector is late, of its `activity` resources of a month: days between its syncs, and a day. */
export function lateness(activity) {
  const days = activity.filter(({ attributes }) => Object.keys(attributes.linked).length).map(({ attributes }) => Date.parse(attributes.date)).sort((a, b) => a - b);
  if (days.length < SYNCS_FOR_A_RHYTHM) return LATE_MS;
  const gaps = days.slice(1).map((day, index) => day - days[index]).sort((a, b) => a - b);
  return Math.max(LATE_MS, gaps[Math.floor(gaps.length / 2)] + A_DAY);
}

const isQuiet = ({ last_synced_at: synced }) => !synced || Date.now() - Date.parse(synced) > LATE_MS;

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
  const month = useEvery(list.pages.filter((page) => page.data.length).map((page) => path("/v1/connector-activity", {
    "filter[workspace_connector]": page.data.map((row) => row.id).sort().join(","), "filter[date][gte]": from, "filter[date][lte]": to,
    "page[size]": 500,
  })));
  const { related } = included(...list.pages);
  const activityOf = Map.groupBy(month.rows, (one) => idOf(one, "workspace_connector"));
  const rows = list.rows.map((row) => {
    const activity = activityOf.get(row.id) ?? [];
    const { attributes } = row;
    const reason = related(row, "last_failure")?.attributes.reason;
    return { id: row.id, attributes, connector: related(row, "connector"), reason, activity, complaints: complaints(attributes, lateness(activity)) };
  }).sort((a, b) => b.complaints.length - a.complaints.length || nameOf(a.connector).localeCompare(nameOf(b.connector)));
  const attention = rows.filter((row) => row.complaints.length);
  const chosen = rows
    .filter((row) => show === "all" || (show === "attention" ? row.complaints.length : isQuiet(row.attributes)))
    .filter((row) => `${nameOf(row.connector)} ${row.connector?.attributes.provider ?? ""}`.toLowerCase().includes(text.toLowerCase()));
  const name = workspace?.attributes.name ?? "this workspace";
  // Who is late is known with the month; what is further down comes without waiting for it.
  const shown = month.isWhole || month.error || list.pages.length > 1 ? list : { ...list, document: undefined };
  const lead = shown.document && rows.length > 0 && (attention.length
    ? `${number(attention.length)} of ${plural(rows.length, "connector")}${list.next ? " so far" : ""} of ${name} ${attention.length === 1 ? "needs" : "need"} attention.`
    : `Nothing of ${name} needs attention: ${plural(rows.length, "connector")}${list.next ? " so far" : ""}.`);
  const columns = [
    { name: "Connector", cell: (row) => html`<a href=${fragment(workspaceId, "connectors", [row.id])}>${nameOf(row.connector)}</a>` },
    { name: "Direction", cell: (row) => html`<${Direction} of=${row.connector?.attributes.direction} />` },
    { name: "State", cell: (row) => row.complaints.length
        ? html`<${Attention}>${row.complaints.join(", ")}<//>${row.reason && html`<br /><span class="quiet">${says(row.reason)}</span>`}`
        : html`<span class="quiet">${row.attributes.status}</span>` },
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
          options=${[["all", "All"], ["attention", "Attention"], ["quiet", "Quiet"]]} />
        <${Search} label="Find by name" value=${text} choose=${(q) => refine({ q })} />
      </div>
      <${Loaded} of=${shown} what=${`the connectors of ${name}`} lines=${6}>${() =>
        rows.length === 0
          ? html`<${Empty}>${name} has no connector. One appears here when the platform's feed tells of it.<//>`
          : chosen.length === 0
            ? html`<${Empty}>${text ? "No connector is called so." : show === "attention" ? "No connector needs attention." : "No connector is quiet: each has synced in the last 3 days."}<//>`
            : html`<${Table} caption="Connectors" columns=${columns} rows=${chosen} />`}<//>
      ${month.error && html`<${Problem} error=${month.error} />`}
      <${More} of=${list} />
    <//>`;
}

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
