// Groups: which workspaces see each other, and who is in them.

import { idOf, included, path, send } from "./api.js";
import { listed, plural } from "./format.js";
import { html, useState } from "./html.js";
import { useAction, useDocument, useList } from "./loading.js";
import { AsOf, Empty, Id, Loaded, More, Problem, Section, Table, Time, View } from "./parts.js";
import { Pick } from "./providers.js";
import { fragment, go } from "./route.js";
import { isPerson, personId } from "./session.js";

export function Groups({ workspaceId }) {
  const url = path("/v1/workspace-groups", { include: "workspaces", "page[size]": 100 });
  const list = useList(url);
  const { related: _, all } = included(...list.pages);
  const names = new Map(all("workspace").map((row) => [row.id, row.attributes.name]));
  return html`
    <${View} title="Groups" aside=${html`<${AsOf} at=${list.at} path=${url} />`}
      lead=${list.document && list.rows.length > 0 && `You see ${plural(list.rows.length, "group")}${list.next ? " so far" : ""}.`}>
      <${Loaded} of=${list} what="your groups" lines=${3}>${() =>
        list.rows.length === 0
          ? html`<${Empty}>You are in no group. A group lets its members see all of its workspaces.<//>`
          : html`<${Table} caption="Groups" rows=${list.rows} columns=${[
              { name: "Group", cell: (row) => html`<a href=${fragment(workspaceId, "groups", [row.id])}>${row.attributes.name}</a>` },
              { name: "Workspaces", cell: (row) => {
                const own = row.relationships.workspaces?.data ?? [];
                const known = own.map(({ id }) => names.get(id)).filter(Boolean);
                return own.length ? (known.length ? listed(known.slice(0, 5)) + (own.length > 5 ? ` and ${own.length - 5} more` : "") : plural(own.length, "workspace")) : html`<span class="quiet">none</span>`;
              } },
              { name: "Since", cell: (row) => html`<${Time} at=${row.attributes.created_at} />` },
            ]} />`}<//>
      <${More} of=${list} />
      ${isPerson() && list.document && html`<${Section} title="Make a group"><${Make} workspaceId=${workspaceId} /><//>`}
    <//>`;
}

function Make({ workspaceId }) {
  const [name, setName] = useState("");
  const action = useAction(
    () => send("POST", "/v1/workspace-groups", { data: { type: "workspace_group", attributes: { name: name.trim() } } }),
    (made) => go(fragment(workspaceId, "groups", [made.data.id])),
  );
  const submit = (event) => {
    event.preventDefault();
    action.run();
  };
  return html`
    <form class="filters" onSubmit=${submit}>
      <label class="search"><span>Its name</span><input required maxlength="500" value=${name} onInput=${(event) => setName(event.target.value)} /></label>
      <button disabled=${action.busy || !name.trim()}>Make the group</button>
    </form>
    <p class="quiet">You become its owner. Workspaces are enrolled afterwards; that opens them to the group's members.</p>
    ${action.error && html`<${Problem} error=${action.error} />`}`;
}

export function Group({ workspaceId, rest: [id] }) {
  const url = path(`/v1/workspace-groups/${encodeURIComponent(id)}`, { include: "workspaces,memberships,created_by" });
  const group = useDocument(url);
  const enrolments = useList(path("/v1/workspace-group-workspaces", {
    "filter[workspace_group]": id, include: "workspace,created_by", "page[size]": 100,
  }));
  const reload = () => {
    enrolments.reload();
    group.reload();
  };
  const { related, all } = included(group.document, ...enrolments.pages);
  const members = all("workspace_group_membership");
  const mine = members.find((row) => idOf(row, "people") === personId());
  const keeps = isPerson() && ["owner", "admin"].includes(mine?.attributes.role) && mine.attributes.status === "active";
  const name = group.document?.data.attributes.name ?? "Group";
  return html`
    <${View} title=${name} aside=${html`<${AsOf} at=${group.at} path=${url} />`}
      lead=${enrolments.document && `${plural(enrolments.rows.length, "workspace")}${enrolments.next ? " or more" : ""} ${enrolments.rows.length === 1 ? "is" : "are"} open to ${plural(members.length, "member")}.`}>
      <${Loaded} of=${group} what="the group" lines=${2}>${() => html`
        <p class="under">group <${Id} id=${id} /></p>
        <${Section} title="Workspaces">
          <${Loaded} of=${enrolments} what="its workspaces" lines=${2}>${() =>
            enrolments.rows.length === 0
              ? html`<${Empty}>No workspace is enrolled. ${keeps ? "Enrol one below." : "An owner or admin of the group enrols one."}<//>`
              : html`<${Table} caption="Workspaces of the group" rows=${enrolments.rows} columns=${[
                  { name: "Workspace", cell: (row) => related(row, "workspace")?.attributes.name ?? html`<span class="quiet">one that you do not see</span>` },
                  { name: "Enrolled", cell: (row) => html`<${Time} at=${row.attributes.created_at} />` },
                  { name: "By", cell: (row) => related(row, "created_by")?.attributes.full_name ?? html`<span class="quiet">unknown</span>` },
                  isPerson() && { name: "Change", cell: (row) => html`<${Withdraw} enrolment=${row} workspace=${related(row, "workspace")} done=${reload} />` },
                ].filter(Boolean)} />`}<//>
          <${More} of=${enrolments} />
          ${keeps && html`<${Enrol} groupId=${id} enrolled=${enrolments.rows} done=${reload} />`}
        <//>
        <${Section} title="Members"><${Members} members=${members} related=${related} /><//>`}<//>
    <//>`;
}

function Enrol({ groupId, enrolled, done }) {
  const [chosen, setChosen] = useState("");
  const mine = useDocument(path("/v1/workspace-memberships", { "filter[people]": personId(), include: "workspace", "page[size]": 500 }));
  const { related } = included(mine.document);
  const there = new Set(enrolled.map((row) => idOf(row, "workspace")));
  const open = (mine.document?.data ?? [])
    .filter((row) => ["owner", "admin"].includes(row.attributes.role) && row.attributes.status === "active" && !there.has(idOf(row, "workspace")))
    .map((row) => [idOf(row, "workspace"), related(row, "workspace")?.attributes.name ?? idOf(row, "workspace")]);
  const action = useAction(() => send("POST", `/v1/workspace-groups/${groupId}/workspaces`, {
    data: { type: "workspace_group_workspace", relationships: { workspace: { data: { type: "workspace", id: chosen } } } },
  }), () => {
    setChosen("");
    done();
  });
  if (mine.document && open.length === 0) return html`<p class="quiet">Every workspace that you own or administer is enrolled.</p>`;
  const submit = (event) => {
    event.preventDefault();
    action.run();
  };
  return html`
    <form class="filters" onSubmit=${submit}>
      <${Pick} label="Enrol a workspace" value=${chosen} options=${open} choose=${setChosen} all="Choose" />
      <button disabled=${action.busy || !chosen}>Enrol it</button>
    </form>
    ${action.error && html`<${Problem} error=${action.error} />`}`;
}

function Withdraw({ enrolment, workspace, done }) {
  const [isAsking, setAsking] = useState(false);
  const action = useAction(() => send("DELETE", `/v1/workspace-group-workspaces/${enrolment.id}`), done);
  const name = workspace?.attributes.name ?? "the workspace";
  if (!isAsking) return html`<button onClick=${() => setAsking(true)}>Withdraw<span class="unseen"> ${name}</span></button>`;
  return html`
    <span>The group's members will no longer see ${name}. </span>
    <button class="grave" disabled=${action.busy} onClick=${() => action.run()}>Withdraw it</button>
    <button disabled=${action.busy} onClick=${() => setAsking(false)}>Keep it</button>
    ${action.error && html`<${Problem} error=${action.error} />`}`;
}

function Members({ members, related }) {
  if (members.length === 0) return html`<${Empty}>Nobody is in it.<//>`;
  return html`<${Table} caption="Members of the group" rows=${members} columns=${[
    { name: "Person", cell: (row) => related(row, "people")?.attributes.full_name ?? html`<${Id} id=${idOf(row, "people")} />` },
    { name: "Role", cell: (row) => row.attributes.role },
    { name: "Status", cell: (row) => row.attributes.status },
  ]} />`;
}
