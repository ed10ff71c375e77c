// Connectors of all workspaces that are failing, late, to be reconnected: of which tool, of which customers?

import { idOf, included, path } from "./api.js";
import { nameOf, Parked, rowOf, Standing } from "./connectors.js";
import { FLEET, silence } from "./fleet.js";
import { listed, number, plural } from "./format.js";
import { SHOWS } from "./health.js";
import { html } from "./html.js";
import { together, useDocument, useList } from "./loading.js";
import { AsOf, Choice, Empty, Loaded, More, Table, Time, View } from "./parts.js";
import { Pick } from "./providers.js";
import { fragment, refine } from "./route.js";
import { seesAll } from "./session.js";

const PAGE = 50;
// So many tools are named in the first line.
const NAMED = 3;

// One health is asked for at a time: of a list of them the API has no index over all workspaces.
const routeOf = (health, connector) => path("/v1/workspace-connectors", {
  "filter[health]": health, "filter[connector]": connector, include: "workspace,connector,last_failure",
  "fields[workspace]": "name", "fields[sync_message]": "reason", "page[size]": PAGE,
});

export function Everywhere({ query }) {
  const show = Object.hasOwn(SHOWS, query.get("show") ?? "") ? query.get("show") : "failing";
  const connector = query.get("connector") ?? "";
  const { healths } = SHOWS[show];
  const first = useList(routeOf(healths[0], connector), { live: true });
  const second = useList(healths[1] ? routeOf(healths[1], connector) : null, { live: true });
  const lists = healths[1] ? [first, second] : [first];
  const fleet = useDocument(seesAll() ? FLEET : null);
  const tools = fleet.document?.data.attributes.tools ?? [];
  const { related } = included(...lists.flatMap((list) => list.pages));
  const rows = lists.flatMap((list) => list.rows).map((row) => ({
    ...rowOf(row, related),
    workspace: related(row, "workspace"),
    workspaceId: idOf(row, "workspace"),
    since: row.attributes.health_reasons.find((reason) => healths.includes(reason.code))?.at,
  }));
  const of = together(lists);
  const hasMore = lists.some((list) => list.next);
  const tool = connector && (tools.find((one) => one.connector === connector)?.name ?? rows[0]?.connector?.attributes.name ?? "this tool");
  const columns = [
    { name: "Connector", cell: (row) => html`<a href=${fragment(row.workspaceId, "connectors", [row.id])}>${nameOf(row.connector)}</a>` },
    { name: "Workspace", cell: (row) => html`<a href=${fragment(row.workspaceId, "connectors")}>${row.workspace?.attributes.name ?? "gone"}</a>` },
    { name: "State", cell: (row) => html`<${Standing} row=${row} />` },
    show !== "reconnect" && rows.some((row) => row.since) && { name: "Since", cell: (row) => html`<${Time} at=${row.since} />` },
    { name: "Last sync", cell: (row) => html`<${Time} at=${row.attributes.last_synced_at} />` },
    { name: "Parked", kind: "number", cell: (row) => html`<${Parked} count=${row.attributes.parked_messages} workspaceId=${row.workspaceId} connector=${row.id} />` },
  ].filter(Boolean);
  return html`
    <${View} title="Connectors of all workspaces" lead=${of.document && sentence(rows, SHOWS[show], tool, hasMore)}
      aside=${html`<${AsOf} at=${of.document && of.at} live=${!of.error} path=${routeOf(healths[0], connector)} />`}>
      ${fleet.document?.data.attributes.is_silent && html`<p>${silence(fleet.document.data.attributes)}</p>`}
      <div class="filters">
        <${Choice} label="Which connectors" value=${show} choose=${(value) => refine({ show: value })}
          options=${Object.entries(SHOWS).map(([value, { words }]) => [value, words])} />
        <${Pick} label="Tool" value=${connector} choose=${(value) => refine({ connector: value })} all="All tools"
          options=${tools.map((one) => [one.connector, one.name])} />
      </div>
      <${Loaded} of=${of} what="the connectors of all workspaces" lines=${6}>${() =>
        rows.length === 0
          ? html`<${Empty}>None${tool && ` by ${tool}`} ${SHOWS[show].does[0]} now.<//>`
          : html`<${Table} caption="Connectors of all workspaces" columns=${columns} rows=${rows} />`}<//>
      ${lists.map((list, index) => html`<${More} key=${healths[index]} of=${list} what="connectors" />`)}
    <//>`;
}

function sentence(rows, { does }, tool, hasMore) {
  if (!rows.length) return `No connector${tool && ` by ${tool}`} ${does[0]}.`;
  const places = new Set(rows.map((row) => row.workspaceId)).size;
  const by = [...Map.groupBy(rows, (row) => nameOf(row.connector))].sort((a, b) => b[1].length - a[1].length);
  const told = by.slice(0, NAMED).map(([name, some]) => `${number(some.length)} by ${name}`);
  const named = listed(by.length > NAMED ? [...told, `${plural(by.length - NAMED, "other tool", "others")}`] : told);
  const is = `${plural(rows.length, "connector")}${hasMore ? " or more" : ""}${tool && ` by ${tool}`} ${does[Number(rows.length > 1)]}`;
  return `${is}, of ${plural(places, "workspace")}${!tool && rows.length > 1 ? `: ${by.length === 1 ? `all by ${by[0][0]}` : named}` : ""}.`;
}
