// All workspaces: where did something fail? And which of them has this name? A person looks for a record of any of theirs. Who
// sees all workspaces does so on the fleet, and looks for a workspace here.

import { idOf, path } from "./api.js";
import { conditionOf, Parked } from "./connectors.js";
import { capped, listed, number, plural } from "./format.js";
import { Found } from "./found.js";
import { html } from "./html.js";
import { useEvery, useList } from "./loading.js";
import { AsOf, Empty, Loaded, More, Search, State, Table, Time, View } from "./parts.js";
import { PART } from "./records.js";
import { fragment, refine } from "./route.js";
import { seesAll } from "./session.js";

// In so many workspaces a part of a name is looked for: each is asked by itself, for each type of record.
const FEW = 8;
// So many are named in the first line.
const NAMED = 3;

/** `list`: the workspaces, as the frame has read them. */
export function Workspaces({ list, query }) {
  const text = (query.get("q") ?? "").trim();
  // Who searches for a record is shown no states: their connectors are not read.
  const isSearch = Boolean(text) && !seesAll();
  const isNamed = Boolean(text) && seesAll();
  const isPart = isSearch && [...text].length >= PART && list.rows.length <= FEW && !list.next;
  const called = useList(isNamed ? path("/v1/workspaces", { "filter[name][starts]": text, sort: "name", "page[size]": 50 }) : null);
  const chosen = isNamed ? called : list;
  const url = path("/v1/workspace-connectors", { "page[size]": 500 });
  const ofAll = useList(list.rows.length && !isNamed && !isSearch ? url : null, { live: true });
  // Of the workspaces that a name was found for: page by page of them, because a filter takes 100 ids.
  const ofNamed = useEvery(called.pages.filter((page) => page.data.length).map((page) => path("/v1/workspace-connectors", {
    "filter[workspace]": page.data.map((row) => row.id).join(","), "page[size]": 500,
  })));
  const connectors = isNamed ? { ...ofNamed, document: ofNamed.isWhole ? called.document : undefined, at: called.at } : ofAll;
  const of = chosen.document && chosen.rows.length > 0 && !isSearch ? connectors : chosen;
  const mine = Map.groupBy(connectors.rows, (row) => idOf(row, "workspace"));
  const rows = chosen.rows.map((workspace) => summed(workspace, mine.get(workspace.id) ?? []))
    .sort((a, b) => b.attention.length - a.attention.length || b.late - a.late || a.name.localeCompare(b.name));
  const isAll = !chosen.next && !connectors.next;
  const lead = of.document && rows.length > 0 && (isSearch
    ? `Records whose names ${isPart ? "contain" : "begin with"} “${text}”, of ${rows.length === 1 ? "your workspace" : "all your workspaces"}:`
    : sentence(rows, isAll));
  return html`
    <${View} title="Workspaces" lead=${lead} aside=${html`<${AsOf} at=${connectors.at} live=${!isNamed && !connectors.error} path=${!isNamed && !isSearch && url} />`}>
      ${list.rows.length > 0 && html`
        <div class="filters">
          <${Search} label=${seesAll() ? "Find a workspace" : "Find a record of any workspace"} placeholder=${seesAll() ? "Its name begins with" : "Its name, or a part of it"} value=${query.get("q") ?? ""} choose=${(q) => refine({ q })} />
        </div>`}
      ${isSearch && list.rows.length > 0 && html`<${Found} key=${isPart ? "parts" : "found"} text=${text} within=${isPart ? list.rows.map((row) => row.id) : undefined} />`}
      <${Loaded} of=${list.error ? list : of} what="your workspaces" lines=${8}>${() =>
        rows.length === 0 && isNamed
          ? html`<${Empty}>No workspace has a name that begins with “${text}”.<//>`
          : rows.length === 0
          ? html`<${Empty}>You are a member of no workspace. A workspace's owner can make you one; the platform tells this ledger of it.<//>`
          : !isSearch && html`<${Table} caption="Workspaces" rows=${rows} columns=${[
              { name: "Workspace", cell: (row) => html`<a href=${fragment(row.id, "connectors")}>${row.name}</a>` },
              { name: "State", cell: (row) => html`<${State} attention=${row.attention.join(", ")}
                  late=${row.late > 0 && `${plural(row.late, "connector")} late`} off=${row.off > 0 && `${plural(row.off, "connector")} disconnected`}
                  well=${connectors.next ? "nothing wrong so far" : row.count ? "all well" : "no connector"} />` },
              { name: "Last sync", cell: (row) => html`<${Time} at=${row.synced} />` },
              { name: "Connectors", kind: "number", cell: (row) => capped(row.count, Boolean(connectors.next)) },
              { name: "Live rows", kind: "number", cell: (row) => capped(row.live, Boolean(connectors.next)) },
              { name: "Parked", kind: "number", cell: (row) => html`<${Parked} count=${row.parked} workspaceId=${row.id} />` },
            ]} />`}<//>
      ${!isSearch && html`<${More} of=${connectors} what="connectors" /><${More} of=${chosen} what="workspaces" />`}
    <//>`;
}

function sentence(rows, isAll) {
  const soFar = isAll ? "" : " so far";
  const attention = rows.filter((row) => row.attention.length);
  const late = rows.filter((row) => row.late && !row.attention.length);
  const parts = [
    attention.length && `${number(attention.length)} of ${plural(rows.length, "workspace")}${soFar} ${attention.length === 1 ? "needs" : "need"} attention: ${named(attention)}.`,
    late.length && (attention.length
      ? `${number(late.length)} more ${late.length === 1 ? "has" : "have"} late connectors.`
      : `No workspace${soFar} needs attention. ${number(late.length)} of ${number(rows.length)} ${late.length === 1 ? "has" : "have"} late connectors: ${named(late)}.`),
  ].filter(Boolean);
  return parts.join(" ") || `All is well in ${rows.length === 1 ? "your workspace" : `your ${plural(rows.length, "workspace")}`}${soFar}.`;
}

function named(rows) {
  const names = rows.slice(0, NAMED).map((row) => row.name);
  return listed(rows.length > NAMED ? [...names, `${number(rows.length - NAMED)} more`] : names);
}

function summed(workspace, connectors) {
  const all = connectors.map((row) => row.attributes);
  const sum = (name, of = all) => of.reduce((so, one) => so + (one[name] || 0), 0);
  const states = all.map(conditionOf);
  const waiting = sum("waiting", states);
  const errors = Map.groupBy(states.filter((one) => one.error), (one) => one.error);
  const reconnect = states.filter((one) => one.reconnect).length;
  const synced = all.map((one) => one.last_synced_at).filter(Boolean).sort().at(-1);
  return {
    id: workspace.id,
    name: workspace.attributes.name,
    count: all.length,
    live: sum("live_rows"),
    parked: sum("parked_messages"),
    synced,
    late: states.filter((one) => one.isLate).length,
    off: states.filter((one) => one.isOff).length,
    attention: [
      waiting && `${plural(waiting, "message")} parked`,
      reconnect && `${plural(reconnect, "connector")} to reconnect`,
      ...[...errors].map(([status, those]) => `${plural(those.length, "connector")} ${status}`),
    ].filter(Boolean),
  };
}
