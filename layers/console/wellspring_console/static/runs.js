// The runs of one connector: when each was, whether it came whole, what is missing, and what its snapshot ends.

import { path } from "./api.js";
import { counted, number, plural } from "./format.js";
import { html } from "./html.js";
import { useDocument, useList } from "./loading.js";
import { AsOf, Attention, Choice, Id, List, Off, Section, Table, Time } from "./parts.js";
import { says } from "./reasons.js";
import { fragment, refine } from "./route.js";
import { records } from "./settings.js";

const STATES = {
  open: "not over yet",
  incomplete: "not whole",
  completing: "ending what is gone",
  complete: "whole",
  reverted: "undone",
  expired: "never whole",
};

export function Runs({ id, query, name, workspaceId }) {
  const state = query.get("state") ?? "";
  const url = path("/v1/sync-runs", { "filter[workspace_connector]": id, "filter[state]": state, "page[size]": 10 });
  const list = useList(url);
  return html`
    <${Section} title="Runs" aside=${html`<${AsOf} path=${url} />`}>
      <div class="filters">
        <${Choice} label="State" value=${state} choose=${(value) => refine({ state: value })}
          options=${[["", "All"], ["complete", "Whole"], ["incomplete", "Not whole"], ["open", "Not over yet"]]} />
      </div>
      <${List} of=${list} what=${`the runs of ${name}`} lines=${4} empty=${state
        ? `No run of ${name} is ${STATES[state]}.` : `The messages of ${name} name no run. A producer that names one learns here whether it came whole.`}>${(rows) => html`
        <${Table} caption=${`Runs of ${name}`} rows=${rows} columns=${[
          { name: "Began", cell: (row) => html`<${Time} at=${row.attributes.started_at} />` },
          { name: "Run", cell: (row) => row.attributes.run },
          { name: "Is it whole?", cell: (row) => html`<${State} row=${row} id=${id} workspaceId=${workspaceId} />` },
          { name: "Messages", kind: "number", cell: ({ attributes }) => attributes.messages_expected === null
              ? number(attributes.messages_applied) : `${number(attributes.messages_applied)} of ${number(attributes.messages_expected)}` },
          { name: "Linked", kind: "number", cell: (row) => number(counted(row, "linked")) },
          { name: "Ended", kind: "number", cell: (row) => number(counted(row, "ended")) },
        ]} />`}<//>
    <//>`;
}

function State({ row, id, workspaceId }) {
  const { state, messages_parked: parked, snapshot } = row.attributes;
  const failures = fragment(workspaceId, "failures", [], { connector: id });
  const endings = endingsOf(snapshot);
  return html`
    ${state === "incomplete" ? html`<${Attention}>${STATES[state]}<//>` : state === "expired" || state === "reverted" ? html`<${Off}>${STATES[state]}<//>` : STATES[state]}
    ${parked > 0 && html`<br /><a href=${failures}>${plural(parked, "message")} parked</a>`}
    ${state === "incomplete" && html`<${Missing} row=${row} failures=${failures} />`}
    ${endings && html`<br /><span class="quiet">${state === "complete" ? "It ended" : state === "reverted" ? "It ended, and brought back," : "Its snapshot would end"} ${endings}.</span>`}`;
}

// Why it is not whole stands in the message that says that it is over.
function Missing({ row, failures }) {
  const found = useDocument(path("/v1/sync-messages", {
    "filter[sync_run]": row.id, "filter[outcome]": "parked", "fields[sync_message]": "message_type,reason,problems", "page[size]": 50,
  }));
  const end = found.document?.data.find((each) => each.attributes.message_type === "run.completed");
  if (!end) return null;
  const missing = end.attributes.reason === "incomplete_run" ? end.attributes.problems : [];
  return html`
    <br /><span class="quiet">${says(end.attributes.reason)} <a href=${failures}>What to do</a></span>
    ${missing.map((problem) => html`<br /><${Id} key=${problem.id} id=${problem.id} />`)}`;
}

// What a snapshot ends, in words: "4,100 of 9,800 companies"; nothing where it was not counted, or ends none.
function endingsOf(snapshot) {
  const counted = (snapshot?.endings ?? []).filter((each) => each.records > 0);
  return counted.map((each) => `${number(each.records)} of ${number(each.live)} ${records(each.type)}`).join(", ");
}
