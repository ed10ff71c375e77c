// Failures: which messages are parked, why, and what to do about it.

import { idOf, included, path, send } from "./api.js";
import { nameOf, useNames } from "./connectors.js";
import { number, plural } from "./format.js";
import { html, useState } from "./html.js";
import { useAction, useDocument, useList } from "./loading.js";
import { AsOf, Attention, Choice, Copy, Empty, Id, Loaded, More, Problem, Time, View } from "./parts.js";
import { advice, mayHelp, says, waits } from "./reasons.js";
import { fragment, refine } from "./route.js";
import { isPerson, mayRelease } from "./session.js";
import { recordType } from "./settings.js";

const SHOWN = 5;

export function Failures({ workspaceId, workspace, query }) {
  const connector = query.get("connector") ?? "";
  // What names no connector that is known is of no workspace, and shown to services only.
  const isEverywhere = !isPerson() && query.get("of") === "everywhere";
  const url = path("/v1/sync-messages", {
    "filter[outcome]": "parked",
    "filter[workspace]": isEverywhere ? "" : workspaceId,
    "filter[workspace_connector]": connector,
    include: isEverywhere ? "workspace_connector,workspace" : "",
    "page[size]": 100,
  });
  const list = useList(url, { live: true });
  const names = useNames(isEverywhere ? null : workspaceId);
  const every = useDocument(isEverywhere ? path("/v1/connectors", { "fields[connector]": "name", "page[size]": 500 }) : null);
  const { related } = included(...list.pages);
  const catalogue = new Map((every.document?.data ?? []).map((row) => [row.id, row]));
  const groups = grouped(list.rows, (row, id) => isEverywhere
    ? `${nameOf(catalogue.get(idOf(related(row, "workspace_connector"), "connector")))} of ${related(row, "workspace")?.attributes.name ?? "a workspace that is gone"}`
    : (names.get(id) ?? nameOf(null)));
  const connectors = new Set(groups.map((group) => group.id)).size;
  const name = isEverywhere ? "all workspaces" : (workspace?.attributes.name ?? "this workspace");
  const lead = list.document && (list.rows.length
    ? `${plural(list.rows.length, "message")}${list.next ? " or more" : ""} of ${name} ${list.rows.length === 1 ? "is" : "are"} parked, of ${plural(connectors, "connector")}.`
    : `No message of ${name} is parked.`);
  return html`
    <${View} title="Failures" lead=${lead} aside=${html`<${AsOf} at=${list.at} live=${!list.error} path=${url} />`}>
      ${(!isPerson() || connector) && html`
        <div class="filters">
          ${!isPerson() && html`<${Choice} label="Of which workspaces" value=${isEverywhere ? "everywhere" : "here"}
            choose=${(value) => refine({ of: value === "here" ? "" : value, connector: "" })}
            options=${[["here", "This workspace"], ["everywhere", "All workspaces"]]} />`}
          ${connector && html`<button onClick=${() => refine({ connector: "" })}>Show all connectors</button>`}
        </div>`}
      <${Loaded} of=${list} what=${`the parked messages of ${name}`} lines=${5}>${() =>
        list.rows.length === 0
          ? html`<${Empty}>A message is parked when it cannot be applied, and appears here with its reason within seconds.<//>`
          : groups.map((group) => html`<${Group} key=${group.key} group=${group} workspaceId=${workspaceId} isWhole=${!list.next} done=${list.reload} />`)}<//>
      <${More} of=${list} />
    <//>`;
}

function grouped(rows, named) {
  const found = new Map();
  for (const row of rows) {
    const id = idOf(row, "workspace_connector");
    const key = `${id} ${row.attributes.reason}`;
    const group = found.get(key) ?? {
      key, id, reason: row.attributes.reason, workspaceId: idOf(row, "workspace"), name: id ? named(row, id) : "No known connector", rows: [],
    };
    group.rows.push(row);
    found.set(key, group);
  }
  return [...found.values()].sort((a, b) => b.rows.length - a.rows.length);
}

function Group({ group, workspaceId, isWhole, done }) {
  const [shown, setShown] = useState(SHOWN);
  const oldest = group.rows.at(-1).attributes.received_at;
  return html`
    <section class="failure">
      <header class="section-head">
        <h2>${group.id ? html`<a href=${fragment(group.workspaceId ?? workspaceId, "connectors", [group.id])}>${group.name}</a>` : group.name}</h2>
        <div class="aside"><${Attention}>${plural(group.rows.length, "message")}${isWhole ? "" : " so far"}<//> <code>${group.reason}</code></div>
      </header>
      <p>${says(group.reason)} <b>${advice(group.reason)}</b>${waits(group.reason) && html` Waiting since <${Time} at=${oldest} />.`}</p>
      ${mayRelease() && group.id && mayHelp(group.reason) && html`<${ReleaseMany} group=${group} done=${done} />`}
      <ul class="messages">
        ${group.rows.slice(0, shown).map((row) => html`<${Message} key=${row.id} row=${row} done=${done} />`)}
      </ul>
      ${group.rows.length > shown && html`<button class="link" onClick=${() => setShown(shown + 20)}>Show ${number(Math.min(20, group.rows.length - shown))} more of ${number(group.rows.length)}</button>`}
    </section>`;
}

/** One message: what it is, what is wrong with it, and what a service may do with it. */
export function Message({ row, done }) {
  const { message_id: id, message_type: type, run, occurred_at: occurred, received_at: received, problems } = row.attributes;
  return html`
    <li>
      <p><b>${type ?? "not a message"}</b>${run && html`, run <code>${run}</code>`}, received <${Time} at=${received} />${isOlder(occurred, received) && html`, of a sync <${Time} at=${occurred} />`}</p>
      ${id && html`<p class="quiet">Message <${Id} id=${id} /></p>`}
      ${(problems ?? []).length > 0 && html`<ul class="problems">${problems.map((problem, index) => html`<li key=${index}><${What} problem=${problem} /></li>`)}</ul>`}
      ${mayRelease() && row.attributes.outcome === "parked" && html`<${Acts} row=${row} done=${done} />`}
    </li>`;
}

// When it happened is said where that is another time.
const isOlder = (occurred, received) => occurred && Date.parse(received) - Date.parse(occurred) > 3_600_000;

// A problem is a JSON object whose members depend on its reason: what it names is said, and what is else beside it.
function What({ problem }) {
  if (typeof problem !== "object" || problem === null) return String(problem);
  const { type, id, detail, title, pointer, source, code, ...rest } = problem;
  const at = pointer ?? source?.pointer;
  const more = Object.entries(rest).filter(([, value]) => typeof value !== "object");
  return html`
    ${detail ?? title ?? (type ? recordType(type)?.name ?? type.replaceAll("_", " ") : (code ?? ""))}
    ${id && html` <${Id} id=${id} />`}
    ${at && html` at <code>${at}</code>`}
    ${more.map(([name, value]) => html` ${name.replaceAll("_", " ")} <code>${String(value)}</code>`)}`;
}

function Acts({ row, done }) {
  const [note, setNote] = useState(null);
  const url = `/v1/sync-messages/${encodeURIComponent(row.id)}`;
  const [said, setSaid] = useState("");
  const release = useAction(() => send("POST", `${url}/release`), (answer) => {
    const { outcome, reason } = answer.data.attributes;
    setSaid(outcome === "parked" ? `Tried, and still parked. ${says(reason)}` : "");
    done();
  });
  const dismiss = useAction(() => send("POST", `${url}/dismiss`, { meta: { note: note.trim() } }), done);
  const busy = release.busy || dismiss.busy;
  const submit = (event) => {
    event.preventDefault();
    dismiss.run();
  };
  return html`
    <div class="acts">
      ${mayHelp(row.attributes.reason) && html`<button disabled=${busy} onClick=${() => release.run()}>Release</button> `}
      ${note === null
        ? html`<button disabled=${busy} onClick=${() => setNote("")}>Dismiss</button>`
        : html`
          <form class="filters" onSubmit=${submit}>
            <label class="search"><span>Why it is dismissed, which cannot be undone</span>
              <input required maxlength="2000" value=${note} onInput=${(event) => setNote(event.target.value)} /></label>
            <button class="grave" disabled=${busy || !note.trim()}>Dismiss it</button>
            <button type="button" disabled=${busy} onClick=${() => setNote(null)}>Keep it</button>
          </form>`}
      ${mayHelp(row.attributes.reason) && html`<${Copy} text=${`curl -s -X POST -H "Authorization: Bearer $TOKEN" "${location.origin}${url}/release"`} label="curl" what="Copy the curl command that releases it" />`}
      <span role="status">${said}</span>
    </div>
    ${(release.error ?? dismiss.error) && html`<${Problem} error=${release.error ?? dismiss.error} />`}`;
}

// Up to a hundred at a time; first it is asked what would happen.
function ReleaseMany({ group, done }) {
  const [answer, setAnswer] = useState(null);
  const ask = (isDry) => send("POST", "/v1/sync-messages/release", {
    meta: { workspace_connector: group.id, reason: group.reason, dry_run: isDry },
  });
  const dry = useAction(() => ask(true), (said) => setAnswer({ ...said.meta, isDry: true }));
  const real = useAction(() => ask(false), (said) => {
    setAnswer({ ...said.meta, isDry: false });
    done();
  });
  const busy = dry.busy || real.busy;
  return html`
    <div class="acts">
      ${!answer?.isDry && html`<button disabled=${busy} onClick=${() => dry.run()}>Release all of them</button>`}
      ${answer?.isDry && html`
        <span role="status">${plural(answer.matching, "message")} would be tried, the oldest first${answer.matching > 100 ? ", 100 at a time" : ""}. </span>
        <button class="first" disabled=${busy || !answer.matching} onClick=${() => real.run()}>Release</button>
        <button disabled=${busy} onClick=${() => setAnswer(null)}>Leave them</button>`}
      ${answer && !answer.isDry && html`
        <span role="status">${number(answer.released)} released, ${number(answer.still_parked)} still parked, ${number(answer.remaining)} not tried yet.</span>`}
    </div>
    ${(dry.error ?? real.error) && html`<${Problem} error=${dry.error ?? real.error} />`}`;
}
