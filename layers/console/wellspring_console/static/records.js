// Records: find one by its name.

import { idOf, included, path } from "./api.js";
import { nameOf } from "./connectors.js";
import { capital } from "./format.js";
import { html } from "./html.js";
import { useList } from "./loading.js";
import { AsOf, Choice, Direction, Empty, Loaded, More, Search, Section, Table, Time, View } from "./parts.js";
import { fragment, refine } from "./route.js";
import { recordType, settings, TYPES } from "./settings.js";

// A part of a name is looked for where it has so many letters; the beginning of one where it has fewer.
export const PART = 3;
// Of each type, where all are looked at.
const OF_EACH = 10;
const PAGE = 50;

export const titleOf = (record, type) => record.attributes[recordType(type).label];

export function Records({ workspaceId, workspace, query }) {
  const one = recordType(query.get("type"));
  const text = (query.get("q") ?? "").trim();
  // Counted as the API does, by characters.
  const isPart = [...text].length >= PART;
  const url = (type) => path(type.route, {
    "filter[workspace]": workspaceId,
    [isPart ? "filter[name][contains]" : "filter[name][starts]"]: text,
    sort: text ? "name" : "-created_at",
    include: "sources.workspace_connector.connector",
    "fields[record_source]": "direction,workspace_connector", "fields[workspace_connector]": "connector", "fields[connector]": "name",
    "page[size]": one ? PAGE : OF_EACH,
  });
  // The types are the deployment's, and as many in each rendering.
  const lists = settings.records.map((type) => ({ type, list: useList(!one || one === type ? url(type) : null) }))
    .filter(({ type }) => !one || one === type);
  const name = workspace?.attributes.name ?? "this workspace";
  const isRead = lists.every(({ list }) => list.document);
  const isEmpty = isRead && lists.every(({ list }) => list.rows.length === 0);
  const names = one ? one.names : "records";
  const lead = text
    ? !isRead ? undefined : `${isEmpty ? `No ${names}` : capital(names)} of ${name} ${isEmpty ? "have names that" : "whose names"} ${isPart ? "contain" : "begin with"} “${text}”.`
    : `The newest ${names} of ${name}. Open one to see where it came from and where it went.`;
  const [first] = lists;
  return html`
    <${View} title="Records" lead=${lead} aside=${html`<${AsOf} at=${first.list.at} path=${url(first.type)} />`}>
      <div class="filters">
        <${Search} label="Find by name" value=${query.get("q") ?? ""} choose=${(q) => refine({ q })} />
        <${Choice} label="Type of record" value=${one?.type ?? ""} choose=${(type) => refine({ type })} options=${TYPES} />
      </div>
      ${isEmpty && html`<${Empty}>${text
        ? isPart ? "Try another part of the name, or another workspace." : `Write ${PART} letters or more to find a part of a name.`
        : `${name} has none yet. A record appears here when the platform's feed or a sync brings it.`}<//>`}
      ${!isRead && !lists.some(({ list }) => list.error)
        ? html`<${Loaded} of=${{}} what=${`the ${names} of ${name}`} lines=${8} />`
        : lists.map(({ type, list }) => html`<${Found} key=${type.type} type=${type} list=${list} workspaceId=${workspaceId} name=${name} isAlone=${Boolean(one)} />`)}
    <//>`;
}

function Found({ type, list, workspaceId, name, isAlone }) {
  if (list.document && list.rows.length === 0) return null;
  const known = included(...list.pages);
  const table = html`
    <${Loaded} of=${list} what=${`the ${type.names} of ${name}`} lines=${isAlone ? 8 : 3}>${() => html`
      <${Table} caption=${capital(type.names)} rows=${list.rows} columns=${[
        { name: "Name", cell: (row) => html`<a href=${fragment(workspaceId, "records", [type.type, row.id])}>${titleOf(row, type.type)}</a>` },
        ...type.others.map((other) => ({ name: capital(other.replaceAll("_", " ")), cell: (row) => row.attributes[other] ?? html`<span class="quiet">none</span>` })),
        { name: "From and to", cell: (row) => html`<${Sources} row=${row} known=${known} workspaceId=${workspaceId} type=${type} />` },
        { name: "Here since", cell: (row) => html`<${Time} at=${row.attributes.created_at} />` },
      ]} />`}<//>`;
  if (isAlone) return html`${table}<${More} of=${list} />`;
  return html`
    <${Section} title=${capital(type.names)}>
      ${table}
      ${list.next && html`<p class="after"><button class="link" onClick=${() => refine({ type: type.type })}>Show more ${type.names}</button></p>`}
    <//>`;
}

// The connectors that named a record last, what they did with it before each; the rest is the record's own view.
function Sources({ row, known, workspaceId, type }) {
  const sources = known.several(row, "sources");
  if (sources.length === 0) return html`<span class="quiet">no connector yet</span>`;
  return html`
    <ul class="sources">
      ${sources.map((source) => html`
        <li key=${source.id}><${Direction} of=${source.attributes.direction} /> <a href=${fragment(workspaceId, "connectors", [idOf(source, "workspace_connector")])}>${nameOf(known.related(source, "workspace_connector", "connector"))}</a></li>`)}
      ${row.relationships.sources.meta?.is_complete === false && html`<li><a href=${fragment(workspaceId, "records", [type.type, row.id])}>all</a></li>`}
    </ul>`;
}
