// Failures: which messages are parked, why, and what to do about it.

import { idOf, included, path, send } from "./api.js";
import { Audit } from "./audit.js";
import { nameOf, useNames } from "./connectors.js";
import { number, plural } from "./format.js";
import { html } from "./html.js";
import { useDocument, useList } from "./loading.js";
import { Acts, grouped, ParkedGroup } from "./parked.js";
import { AsOf, Attention, Id, List, Time, View } from "./parts.js";
import { Pick } from "./providers.js";
import { advice, asksFirst, kindOf, mayHelp, REASONS, says, waits, wrong } from "./reasons.js";
import { fragment, refine } from "./route.js";
import { mayRelease } from "./session.js";
import { records, recordType } from "./settings.js";

const ROUTE = "/v1/sync-messages";

export function Failures({ workspaceId, workspace, query }) {
  const connector = query.get("connector") ?? "";
  const reason = query.get("reason") ?? "";
  // What names no connector that is known is of no workspace, and shown to services and operators only.
  const isEverywhere = !workspaceId;
  const url = path(ROUTE, {
    "filter[outcome]": "parked",
    "filter[workspace]": isEverywhere ? "" : workspaceId,
    "filter[workspace_connector]": connector,
    "filter[reason]": reason,
    include: isEverywhere ? "workspace_connector,workspace" : "",
    "page[size]": 100,
  });
  const list = useList(url, { live: true });
  const names = useNames(isEverywhere ? null : workspaceId);
  // No name is told before it is known.
  const shown = isEverywhere || list.error || names.list.document ? list : { ...list, document: undefined, error: names.list.error };
  const tools = useDocument(isEverywhere ? path("/v1/connectors", { "fields[connector]": "name", "page[size]": 500 }) : null);
  const { related } = included(...list.pages);
  const catalogue = new Map((tools.document?.data ?? []).map((row) => [row.id, row]));
  const named = (row) => isEverywhere
    ? `${nameOf(catalogue.get(idOf(related(row, "workspace_connector"), "connector")))} of ${related(row, "workspace")?.attributes.name ?? "a workspace that is gone"}`
    : names.named(connectorOf(row));
  const connectors = new Set(list.rows.map(connectorOf)).size;
  const name = isEverywhere ? "all workspaces" : (workspace?.attributes.name ?? "this workspace");
  const lead = list.document && (list.rows.length
    ? `${plural(list.rows.length, "message")}${list.next ? " or more" : ""} of ${plural(connectors, "connector")} of ${name} ${list.rows.length === 1 ? "is" : "are"} parked${reason && " for this reason"}.`
    : `No message of ${name} is parked${reason && " for this reason"}.`);
  return html`
    <${View} title=${isEverywhere ? "Failures of all workspaces" : "Failures"} lead=${lead} aside=${html`<${AsOf} at=${list.at} live=${!list.error} path=${url} />`}>
      ${(isEverywhere || connector || reason) && html`
        <div class="filters">
          ${(isEverywhere || reason) && html`<${Pick} label="Reason" value=${reason} choose=${(value) => refine({ reason: value })} all="All reasons"
            options=${REASONS.map((one) => [one, one.replaceAll("_", " ")])} />`}
          ${connector && html`<button onClick=${() => refine({ connector: "" })}>Show all connectors</button>`}
        </div>`}
      <${List} of=${shown} what=${`the parked messages of ${name}`} lines=${5}
        empty="A message is parked when it cannot be applied, and appears here with its reason within seconds.">${(every) =>
        grouped(every, (row) => `${connectorOf(row)} ${row.attributes.reason}`).map(({ key, rows }) => html`
          <${Group} key=${key} rows=${rows} named=${named} workspaceId=${workspaceId} isWhole=${!list.next} done=${list.reload} />`)}<//>
      ${shown.document && html`<${Audit} workspaceId=${workspaceId} />`}
    <//>`;
}

const connectorOf = (row) => idOf(row, "workspace_connector");

function Group({ rows, named, workspaceId, isWhole, done }) {
  const [first] = rows;
  const { reason } = first.attributes;
  const id = connectorOf(first);
  const isTriedAgain = id && mayHelp(reason) && !asksFirst(reason);
  const oldest = rows.at(-1).attributes.received_at;
  return html`
    <${ParkedGroup} heading=${html`<h2>${id ? html`<a href=${fragment(idOf(first, "workspace") ?? workspaceId, "connectors", [id])}>${named(first)}</a>` : "No known connector"}</h2>`}
      mark=${html`<${Attention}>${plural(rows.length, "message")}${isWhole ? "" : " so far"}<//>`} reason=${reason} rows=${rows} what="message" done=${done}
      says=${html`${says(reason)} <b>${advice(reason)}</b>${waits(reason) && html` The oldest came <${Time} at=${oldest} />.`}`}
      ask=${isTriedAgain && ((isDry) => send("POST", `${ROUTE}/release`, { meta: { workspace_connector: id, reason, dry_run: isDry } }))}
      one=${(row) => html`<${Message} key=${row.id} row=${row} done=${done} />`} />`;
}

/** One message: what it is, what is wrong with it, and what a service may do with it. */
export function Message({ row, done }) {
  const { message_id: id, message_type: type, run, occurred_at: occurred, received_at: received, problems } = row.attributes;
  return html`
    <li>
      <p><b>${kindOf(type)}</b>${run && html`, run <code>${run}</code>`}, received <${Time} at=${received} />${isOlder(occurred, received) && html`, of a sync <${Time} at=${occurred} />`}</p>
      ${id && html`<p class="quiet">Message <${Id} id=${id} /></p>`}
      ${(problems ?? []).length > 0 && html`<ul class="problems">${problems.map((problem, index) => html`<li key=${index}><${What} problem=${problem} /></li>`)}</ul>`}
      ${mayRelease() && row.attributes.outcome === "parked" && html`
        <${Acts} url=${`${ROUTE}/${encodeURIComponent(row.id)}`} mayHelp=${mayHelp(row.attributes.reason)} says=${says} done=${done}
          warning=${asksFirst(row.attributes.reason) && warningOf(problems ?? [])} />`}
    </li>`;
}

// What is ended is repeated where it is agreed to.
const warningOf = (problems) => `This ends ${problems.map(endingOf).join(", ")}.`;
const endingOf = ({ type, id }) => `${id.replace(/\d+/g, (digits) => number(Number(digits)))} ${records(type)}`;

// When it happened is said where that is another time.
const isOlder = (occurred, received) => occurred && Date.parse(received) - Date.parse(occurred) > 3_600_000;

// A problem is a JSON object whose members depend on its reason: what it names is said, and what is else beside it.
function What({ problem }) {
  if (typeof problem !== "object" || problem === null) return String(problem);
  const { type, id, detail, title, pointer, source, code, ...rest } = problem;
  if (asksFirst(code)) return `This sync would remove ${endingOf(problem)}.`;
  const at = pointer ?? source?.pointer;
  const more = Object.entries(rest).filter(([, value]) => typeof value !== "object");
  return html`
    ${detail ?? title ?? (type ? recordType(type)?.name ?? type.replaceAll("_", " ") : wrong(code ?? ""))}
    ${id && html` <${Id} id=${id} />`}
    ${at && html` at <code>${at}</code>`}
    ${more.map(([name, value]) => html` ${name.replaceAll("_", " ")} <code>${String(value)}</code>`)}`;
}
