// Flow: what came in by which connector, as what, and what went out by which.

import { idOf, path } from "./api.js";
import { Flows, sum } from "./charts.js";
import { useNames } from "./connectors.js";
import { capital, daysBefore, number, plural } from "./format.js";
import { html } from "./html.js";
import { useEvery } from "./loading.js";
import { AsOf, Choice, Direction, Empty, Loaded, Table, Twin, View } from "./parts.js";
import { fragment, refine } from "./route.js";
import { records } from "./settings.js";

// More names than this on a side help nobody: the largest are drawn, the rest is one.
const SIDE = 8;
const RANGES = { 7: "7 days", 30: "30 days", 90: "90 days", 365: "A year" };
const REST = "rest";

export function Flow({ workspaceId, workspace, query }) {
  const days = query.get("days") in RANGES ? Number(query.get("days")) : 30;
  const url = path("/v1/connector-activity", {
    "filter[workspace]": workspaceId, "filter[date][gte]": daysBefore(days - 1), "filter[date][lte]": daysBefore(0),
    "sum[by]": "connector", "page[size]": 100,
  });
  const every = useEvery([url]);
  const names = useNames(workspaceId);
  const activity = { document: (every.isWhole && names.list.document) || undefined, error: every.error ?? names.list.error };
  const links = linked(every.rows, names.named);
  const [input, output] = ["input", "output"].map((direction) => sum(of(links, direction)));
  const name = workspace?.attributes.name ?? "this workspace";
  const when = days === 365 ? "a year" : `${days} days`;
  return html`
    <${View} title="Flow" aside=${html`<${AsOf} path=${url} />`}
      lead=${activity.document && `In ${when}, ${plural(input, "row")} came into ${name} and ${plural(output, "row")} went out of it.`}>
      <div class="filters">
        <${Choice} label="Range" value=${String(days)} options=${Object.entries(RANGES)} choose=${(value) => refine({ days: value === "30" ? "" : value })} />
      </div>
      <${Loaded} of=${activity} what=${`the flow of ${name}`} lines=${8}>${() =>
        links.length === 0
          ? html`<${Empty}>Nothing flowed in this time. A sync appears here within seconds.<//>`
          : html`
            <${Twin} title="flow" table=${() => html`<${FlowTable} links=${links} workspaceId=${workspaceId} />`}
              chart=${html`<${Flows} ...${drawn(links)} label=${`${plural(input, "row")} in on the left, record types in the middle, ${plural(output, "row")} out on the right; the table says the same`} />`} />
            <${FlowNames} links=${links} workspaceId=${workspaceId} />`}<//>
    <//>`;
}

const of = (links, direction) => links.filter((link) => link.direction === direction);

function linked(rows, named) {
  const found = [];
  for (const row of rows) {
    const id = idOf(row, "workspace_connector");
    for (const [type, counts] of Object.entries(row.attributes.linked ?? {})) {
      for (const direction of ["input", "output"]) {
        if (counts[direction]) found.push({ id, name: named(id), type, direction, value: counts[direction] });
      }
    }
  }
  return found.sort((a, b) => b.value - a.value);
}

function drawn(links) {
  const side = (direction) => {
    const all = [...Map.groupBy(of(links, direction), (link) => link.id)]
      .map(([id, some]) => ({ id, name: some[0].name, value: sum(some) })).sort((a, b) => b.value - a.value);
    const [shown, others] = [all.slice(0, SIDE), all.slice(SIDE)];
    const nodes = shown.map(({ id, name, value }) => ({ key: `${direction} ${id}`, name, value }));
    if (others.length) nodes.push({ key: `${direction} ${REST}`, name: `${number(others.length)} others`, value: sum(others) });
    const keys = new Set(shown.map(({ id }) => id));
    return [nodes, (id) => `${direction} ${keys.has(id) ? id : REST}`];
  };
  const [[inputs, inKey], [outputs, outKey]] = [side("input"), side("output")];
  const middle = [...Map.groupBy(links, (link) => link.type)]
    .map(([type, some]) => ({ key: type, name: capital(records(type)), value: Math.max(sum(of(some, "input")), sum(of(some, "output"))) }))
    .sort((a, b) => b.value - a.value);
  const ends = ({ id, type, direction }) => (direction === "input" ? [inKey(id), type] : [type, outKey(id)]);
  const flows = [...Map.groupBy(links, (link) => ends(link).join(" ")).values()].map((some) => {
    const [from, to] = ends(some[0]);
    return { from, to, direction: some[0].direction, value: sum(some) };
  });
  return { columns: [inputs, middle, outputs], flows };
}

const FlowTable = ({ links, workspaceId }) => html`
  <${Table} caption="Flow by connector, type and direction" rows=${links} keyOf=${(link) => `${link.id} ${link.type} ${link.direction}`} columns=${[
    { name: "Connector", cell: (link) => html`<a href=${fragment(workspaceId, "connectors", [link.id])}>${link.name}</a>` },
    { name: "Direction", cell: (link) => html`<${Direction} of=${link.direction} />` },
    { name: "Records", cell: (link) => capital(records(link.type)) },
    { name: "Rows", kind: "number", cell: (link) => number(link.value) },
  ]} />`;

// Names on a picture are short; here they lead on.
function FlowNames({ links, workspaceId }) {
  const found = new Map(links.map((link) => [link.id, link.name]));
  return html`<p class="quiet">Connectors: ${[...found].map(([id, name], index) => html`<span key=${id}>${index > 0 && ", "}<a href=${fragment(workspaceId, "connectors", [id])}>${name}</a></span>`)}.</p>`;
}
