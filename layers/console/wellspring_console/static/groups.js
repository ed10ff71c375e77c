// Groups: which workspaces see each other, and who is in them.

import { idOf, included, linksTo, path, send } from "./api.js";
import { Audit } from "./audit.js";
import { Confirmed } from "./confirmed.js";
import { listed, plural } from "./format.js";
import { html, useState } from "./html.js";
import { useAction, useDocument, useList } from "./loading.js";
import { AsOf, Id, List, Loaded, More, Problem, Search, Section, Table, Time, View } from "./parts.js";
import { Pick } from "./providers.js";
import { fragment, go } from "./route.js";
import { isPerson, personId } from "./session.js";

export function Groups({ workspaceId }) {
  const url = path("/v1/workspace-groups", { include: "workspaces", "page[size]": 100 });
  const list = useList(url);
  const { several } = included(...list.pages);
  return html`
    <${View} title="Groups" aside=${html`<${AsOf} at=${list.at} path=${url} />`}
      lead=${list.document && list.rows.length > 0 && `You see ${plural(list.rows.length, "group")}${list.next ? " so far" : ""}.`}>
      <${List} of=${list} what="your groups" lines=${3} empty="You are in no group. A group lets its members see all of its workspaces.">${(rows) => html`
        <${Table} caption="Groups" rows=${rows} columns=${[
          { name: "Group", cell: (row) => html`<a href=${fragment(workspaceId, "groups", [row.id])}>${row.attributes.name}</a>` },
          { name: "Workspaces", cell: (row) => {
            const own = row.relationships.workspaces?.data ?? [];
            const known = several(row, "workspaces").map((workspace) => workspace.attributes.name);
            return own.length ? (known.length ? listed(known.slice(0, 5)) + (own.length > 5 ? ` and ${own.length - 5} more` : "") : plural(own.length, "workspace")) : html`<span class="quiet">none</span>`;
          } },
          { name: "Since", cell: (row) => html`<${Time} at=${row.attributes.created_at} />` },
        ]} />`}<//>
      ${isPerson() && list.document && html`<${Section} title="Make a group"><${Make} workspaceId=${workspaceId} /><//>`}
      ${list.document && html`<${Audit} workspaceId=${workspaceId} />`}
    <//>`;
}

function Make({ workspaceId }) {
  const make = (name) => send("POST", "/v1/workspace-groups", { data: { type: "workspace_group", attributes: { name } } });
  return html`
    <${Name} verb="Make the group" act=${make} done=${(made) => go(fragment(workspaceId, "groups", [made.data.id]))}>
      <p class="quiet">You become its owner. Workspaces are enrolled afterwards; that opens them to the group's members.</p><//>`;
}

// A group's name, and the button that does something with it.
function Name({ now = "", verb, act, done, children }) {
  const [text, setText] = useState(now);
  const name = text.trim();
  const action = useAction(() => act(name), done);
  return html`
    <form class="filters" onSubmit=${action.submit}>
      <label class="search"><span>Its name</span><input required maxlength="500" value=${text} onInput=${(event) => setText(event.target.value)} /></label>
      <button disabled=${action.busy || !name || name === now}>${verb}</button>
    </form>
    ${children}
    <${Problem} error=${action.error} />`;
}

export function Group({ workspaceId, rest: [id] }) {
  const url = path(`/v1/workspace-groups/${encodeURIComponent(id)}`, { include: "created_by" });
  const group = useDocument(url);
  const enrolments = useList(path("/v1/workspace-group-workspaces", {
    "filter[workspace_group]": id, include: "workspace,created_by", "page[size]": 100,
  }));
  const members = useList(path(MEMBERSHIPS, { "filter[workspace_group]": id, include: "people", "page[size]": 100 }));
  const reload = () => {
    enrolments.reload();
    group.reload();
    members.reload();
  };
  const { related } = included(group.document, ...enrolments.pages);
  const mine = members.rows.find((row) => idOf(row, "people") === personId());
  const keeps = isPerson() && ["owner", "admin"].includes(mine?.attributes.role) && mine.attributes.status === "active";
  const name = group.document?.data.attributes.name ?? "Group";
  return html`
    <${View} title=${name} aside=${html`<${AsOf} at=${group.at} path=${url} />`}
      lead=${enrolments.document && members.document && `${plural(enrolments.rows.length, "workspace")}${enrolments.next ? " or more" : ""} ${enrolments.rows.length === 1 ? "is" : "are"} open to ${plural(members.rows.length, "member")}${members.next ? " or more" : ""}.`}>
      <${Loaded} of=${group} what="the group" lines=${2}>${() => html`
        <p class="under">group <${Id} id=${id} /></p>
        <${Section} title="Workspaces">
          <${List} of=${enrolments} what="its workspaces" lines=${2}
            empty=${`No workspace is enrolled. ${keeps ? "Enrol one below." : "An owner or admin of the group enrols one."}`}>${(rows) => html`
            <${Table} caption="Workspaces of the group" rows=${rows} columns=${[
              { name: "Workspace", cell: (row) => related(row, "workspace")?.attributes.name ?? html`<span class="quiet">one that you do not see</span>` },
              { name: "Enrolled", cell: (row) => html`<${Time} at=${row.attributes.created_at} />` },
              { name: "By", cell: (row) => related(row, "created_by")?.attributes.full_name ?? html`<span class="quiet">unknown</span>` },
              isPerson() && { name: "Change", cell: (row) => {
                const called = related(row, "workspace")?.attributes.name ?? "the workspace";
                return html`<${Confirmed} verb="Withdraw" of=${called} warning=${`The group's members will no longer see ${called}.`}
                  act=${() => send("DELETE", `/v1/workspace-group-workspaces/${row.id}`)} done=${reload} />`;
              } },
            ].filter(Boolean)} />`}<//>
          ${keeps && html`<${Enrol} groupId=${id} enrolled=${enrolments.rows} done=${reload} />`}
        <//>
        <${Section} title="Members"><${Members} groupId=${id} members=${members} keeps=${keeps} done=${reload} /><//>
        ${keeps && html`<${Section} title="The group"><${Keep} key=${name} group=${group.document.data} isOwner=${mine.attributes.role === "owner"} workspaceId=${workspaceId} done=${reload} /><//>`}`}<//>
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
    data: { type: "workspace_group_workspace", relationships: linksTo({ workspace: chosen }) },
  }), () => {
    setChosen("");
    done();
  });
  if (mine.document && open.length === 0) return html`<p class="quiet">Every workspace that you own or administer is enrolled.</p>`;
  return html`
    <form class="filters" onSubmit=${action.submit}>
      <${Pick} label="Enrol a workspace" value=${chosen} options=${open} choose=${setChosen} all="Choose" />
      <button disabled=${action.busy || !chosen}>Enrol it</button>
    </form>
    <${Problem} error=${action.error} />`;
}

// ---- members --------------------------------------------------------------------------------------------------------

const ROLES = ["owner", "admin", "member", "guest"];
const MEMBERSHIPS = "/v1/workspace-group-memberships";

function Members({ groupId, members, keeps, done }) {
  const { related } = included(...members.pages);
  const nameOf = (row) => related(row, "people")?.attributes.full_name;
  return html`
    <${Loaded} of=${members} what="its members" lines=${2}>${() => html`
      <${Table} caption="Members of the group" rows=${members.rows} columns=${[
        { name: "Person", cell: (row) => nameOf(row) ?? html`<${Id} id=${idOf(row, "people")} />` },
        { name: "Role", cell: (row) => keeps ? html`<${Role} membership=${row} name=${nameOf(row)} done=${done} />` : row.attributes.role },
        { name: "Status", cell: (row) => row.attributes.status },
        isPerson() && { name: "Change", cell: (row) => {
          const isMe = idOf(row, "people") === personId();
          return (keeps || isMe) && html`<${Confirmed} verb=${isMe ? "Leave" : "Remove"} of=${isMe ? "the group" : (nameOf(row) ?? "the person")}
            warning=${isMe ? "You will no longer see what only this group shows you." : `${nameOf(row) ?? "The person"} will no longer see what only this group shows.`}
            act=${() => send("DELETE", `${MEMBERSHIPS}/${row.id}`)} done=${done} />`;
        } },
      ].filter(Boolean)} />`}<//>
    <${More} of=${members} />
    ${keeps && html`<${AddMember} groupId=${groupId} members=${members.rows} done=${done} />`}`;
}

function Role({ membership, name, done }) {
  const action = useAction((role) => send("PATCH", `${MEMBERSHIPS}/${membership.id}`, {
    data: { type: "workspace_group_membership", id: membership.id, attributes: { role } },
  }), done);
  return html`
    <select aria-label=${`Role of ${name ?? "the person"}`} value=${membership.attributes.role} disabled=${action.busy} onChange=${(event) => action.run(event.target.value)}>
      ${ROLES.map((role) => html`<option key=${role} value=${role} selected=${role === membership.attributes.role}>${role}</option>`)}
    </select>
    <${Problem} error=${action.error} />`;
}

function AddMember({ groupId, members, done }) {
  const [text, setText] = useState("");
  const found = useList(text.trim() ? path("/v1/people", { "filter[name][starts]": text.trim(), sort: "name", "page[size]": 8 }) : null);
  const there = new Set(members.map((row) => idOf(row, "people")));
  const action = useAction((person) => send("POST", MEMBERSHIPS, {
    data: { type: "workspace_group_membership", attributes: { role: "member" }, relationships: linksTo({ people: person, workspace_group: groupId }) },
  }), () => {
    setText("");
    done();
  });
  const people = found.rows.filter((row) => !there.has(row.id));
  return html`
    <div class="filters"><${Search} label="Add a person whose name begins with" value=${text} choose=${setText} /></div>
    <${Problem} error=${found.error} retry=${found.reload} />
    ${text.trim() && found.document && (people.length === 0
      ? html`<p class="quiet">No other person whom you see has a name that begins so.</p>`
      : html`<ul class="names">${people.map((row) => html`
          <li key=${row.id}>${row.attributes.full_name} <button disabled=${action.busy} onClick=${() => action.run(row.id)}>Add<span class="unseen"> ${row.attributes.full_name}</span></button></li>`)}</ul>`)}
    <${Problem} error=${action.error} />`;
}

// ---- the group itself -----------------------------------------------------------------------------------------------

function Keep({ group: { id, attributes }, isOwner, workspaceId, done }) {
  const url = `/v1/workspace-groups/${id}`;
  return html`
    <${Name} now=${attributes.name} verb="Rename the group" done=${done}
      act=${(name) => send("PATCH", url, { data: { type: "workspace_group", id, attributes: { name } } })} />
    ${isOwner && html`<${Confirmed} verb="Delete" of="the group" isSaid warning="All enrolments and memberships end with it."
      act=${() => send("DELETE", url)} done=${() => go(fragment(workspaceId, "groups"))} />`}`;
}
