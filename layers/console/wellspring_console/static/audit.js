// Who did what in a workspace, for its owners and admins: who chose, enrolled, removed, released or dismissed.

import { included, path } from "./api.js";
import { html, useState } from "./html.js";
import { useList } from "./loading.js";
import { AsOf, Id, List, Section, Table, Time } from "./parts.js";

const DEEDS = { create: "made", update: "changed", delete: "removed", release: "released", dismiss: "dismissed" };
const THINGS = {
  workspace_provider: "choice of a provider",
  workspace_group_workspace: "enrolment in a group",
  workspace_group_membership: "membership of a group",
};
const thing = (type) => THINGS[type] ?? type.replaceAll("_", " ");

/** What was done lately, of the workspace or of all: it is read when somebody asks. */
export function Audit({ workspaceId }) {
  const [isOpen, setOpen] = useState(false);
  return html`
    <${Section} title="Who did what">
      <button aria-expanded=${String(isOpen)} onClick=${() => setOpen(!isOpen)}>${isOpen ? "Hide it" : "Show what was done"}</button>
      ${isOpen && html`<${Entries} workspaceId=${workspaceId} />`}
    <//>`;
}

function Entries({ workspaceId }) {
  const url = path("/v1/audit-entries", { "filter[workspace]": workspaceId, include: "caller,workspace", "page[size]": 20 });
  const list = useList(url);
  const { related } = included(...list.pages);
  return html`
    <${List} of=${list} what="what was done" lines=${4} empty="Nothing was done yet that is still kept.">${(rows) => html`
      <${Table} caption="Who did what" rows=${rows} columns=${[
        { name: "When", cell: (row) => html`<${Time} at=${row.attributes.at} />` },
        { name: "Who", cell: (row) => related(row, "caller")?.attributes.full_name
            ?? (row.attributes.service ? `${row.attributes.service} (service)` : html`<span class="quiet">somebody whom you do not see</span>`) },
        { name: "What", cell: ({ attributes: { operation, resource, note } }) => html`
            ${DEEDS[operation] ?? "looked at"} ${thing(resource.type)}${note && html`<br /><span class="quiet">“${note}”</span>`}` },
        { name: "Which", cell: (row) => row.attributes.resource.id && html`<${Id} id=${row.attributes.resource.id} />` },
        !workspaceId && { name: "Workspace", cell: (row) => related(row, "workspace")?.attributes.name ?? html`<span class="quiet">none</span>` },
      ].filter(Boolean)} />`}<//>
    <p class="after"><${AsOf} at=${list.at} path=${url} /></p>`;
}
