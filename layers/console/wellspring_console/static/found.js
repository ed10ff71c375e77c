// Records and workspaces of all that one sees, found by how their names begin, or by a part of them where a person's workspaces are
// few: the API looks for a part of a name in one workspace at a time.

import { included, path } from "./api.js";
import { capital, listed } from "./format.js";
import { html } from "./html.js";
import { together, useList } from "./loading.js";
import { Empty, Loaded, Table, Time } from "./parts.js";
import { titleOf } from "./records.js";
import { fragment } from "./route.js";
import { settings } from "./settings.js";

// Of each type.
const OF_EACH = 10;
const WORKSPACES = { type: "workspace", name: "workspace", names: "workspaces", route: "/v1/workspaces" };

/**
 * What is called `text…`, of each type of record; of workspaces too where `hasWorkspaces`. `within`: the few workspaces in which a
 * part of the name is looked for instead; who gives others gives another key.
 */
export function Found({ text, hasWorkspaces = false, within = [null] }) {
  const places = useList(hasWorkspaces ? path(WORKSPACES.route, { "filter[name][starts]": text, sort: "name", "page[size]": OF_EACH }) : null);
  // The types are the deployment's, and as many in each rendering.
  const records = within.flatMap((workspace) => settings.records.map((type) => ({ type, list: useList(path(type.route, {
    "filter[workspace]": workspace ?? "", [workspace ? "filter[name][contains]" : "filter[name][starts]"]: text,
    include: "workspace", "fields[workspace]": "name", sort: "name", "page[size]": OF_EACH,
  })) })));
  const how = within[0] ? "contains" : "begins with";
  const lists = hasWorkspaces ? [{ type: WORKSPACES, list: places }, ...records] : records;
  const rows = lists.flatMap(({ type, list }) => {
    const { related } = included(...list.pages);
    return list.rows.map((row) => type === WORKSPACES
      ? { id: row.id, type, title: row.attributes.name, workspace: row, since: row.attributes.created_at, href: fragment(row.id, "connectors") }
      : found(row, type, related(row, "workspace")));
  });
  const of = together(lists.map(({ list }) => list));
  const cut = [...new Set(lists.filter(({ list }) => list.next).map(({ type }) => type.names))];
  return html`
    <${Loaded} of=${of} what=${`what is called “${text}”`} lines=${3}>${() =>
      rows.length === 0
        ? html`<${Empty}>Nothing has a name that ${how} “${text}”.${how !== "contains" && " A part of a name is searched for in the Records of one workspace."}<//>`
        : html`
          <${Table} caption=${`What has a name that ${how} ${text}`} isNarrow=${true} rows=${rows} keyOf=${(row) => `${row.type.type} ${row.id}`} columns=${[
            { name: "Name", cell: (row) => row.href ? html`<a href=${row.href}>${row.title}</a>` : row.title },
            { name: "What", kind: "short", cell: (row) => capital(row.type.name) },
            { name: "Workspace", cell: (row) => row.workspace?.attributes.name ?? html`<span class="quiet">gone</span>` },
            { name: "Here since", kind: "wide", cell: (row) => html`<${Time} at=${row.since} />` },
          ]} />
          ${cut.length > 0 && html`<p class="quiet">There are more ${listed(cut)} than these: write more of the name.</p>`}`}<//>`;
}

const found = (row, type, workspace) => ({
  id: row.id, type, title: titleOf(row, type.type), workspace, since: row.attributes.created_at,
  href: workspace && fragment(workspace.id, "records", [type.type, row.id]),
});
