// One connector: what it brings by day, what disconnecting it would lose, and its messages.

import { included, path } from "./api.js";
import { DayBars } from "./charts.js";
import { byDay, conditionOf, MONTH, nameOf } from "./connectors.js";
import { Message } from "./failures.js";
import { ago, capital, capped, counted, daysBefore, listed, number, plural, total, utcDay } from "./format.js";
import { html, useState } from "./html.js";
import { useDocument, useList } from "./loading.js";
import { AsOf, Attention, Choice, Direction, Empty, Facts, Id, Late, List, Loaded, More, Off, Problem, Section, Table, Time, Twin, View } from "./parts.js";
import { titleOf } from "./records.js";
import { kindOf, says } from "./reasons.js";
import { Runs } from "./runs.js";
import { fragment, refine } from "./route.js";
import { records, recordType, settings, TYPES } from "./settings.js";

export function Connector({ workspaceId, rest: [id], query }) {
  const url = path(`/v1/workspace-connectors/${encodeURIComponent(id)}`, { include: "connector" });
  const one = useDocument(url, { live: true });
  const range = query.get("days") in RANGES ? Number(query.get("days")) : MONTH;
  const activity = useDocument(path("/v1/connector-activity", {
    "filter[workspace_connector]": id, "filter[date][gte]": daysBefore(range - 1), "filter[date][lte]": daysBefore(0), "page[size]": 400,
  }));
  const row = one.document?.data;
  const { related } = included(one.document);
  const connector = row && related(row, "connector");
  const name = row ? nameOf(connector) : "Connector";
  return html`
    <${View} title=${name} lead=${row && lead(name, row.attributes)}
      aside=${html`<${AsOf} at=${one.at} live=${!one.error} path=${url} />`}>
      <${Loaded} of=${one} what="the connector" lines=${3}>${() => html`
        <p class="under"><${Direction} of=${connector?.attributes.direction} />${connector?.attributes.provider && html` <span>${connector.attributes.provider}</span>`} <${Id} id=${id} /></p>
        <${Condition} attributes=${row.attributes} workspaceId=${workspaceId} id=${id} />
        <${Activity} activity=${activity} range=${range} query=${query} name=${name} />
        <${Impact} id=${id} name=${name} workspaceId=${workspaceId} query=${query} />
        <${Runs} id=${id} query=${query} name=${name} workspaceId=${workspaceId} />
        <${Messages} id=${id} query=${query} name=${name} workspaceId=${workspaceId} />`}<//>
    <//>`;
}

function lead(name, { last_synced_at: synced, live_rows: live }) {
  return `${name} ${synced ? `synced last ${ago(synced)}` : "has never synced"} and holds ${plural(live, "live row")}.`;
}

function Condition({ attributes, workspaceId, id }) {
  const { attention, isLate, isOff } = conditionOf(attributes);
  return html`
    ${attention.length > 0 && html`<p><${Attention}>Needs attention: ${attention.join(", ")}.<//></p>`}
    ${isLate && html`<p><${Late}>Late: it was expected <${Time} at=${attributes.expected_by} />.<//></p>`}
    ${isOff && html`<p><${Off}>Disconnected.<//></p>`}
    <${Facts} of=${[
      ["Status", attributes.status],
      ["Last sync", html`<${Time} at=${attributes.last_synced_at} />`],
      attributes.expected_by && ["Next sync expected by", html`<${Time} at=${attributes.expected_by} />`],
      attributes.complete_through && ["Complete through", html`<${Time} at=${attributes.complete_through} />`],
      attributes.consent_expires_at && ["Consent ends", html`<${Time} at=${attributes.consent_expires_at} />`],
      ["Last change", html`<${Time} at=${attributes.last_changed_at} />`],
      ["Last failure", html`<${Time} at=${attributes.last_failed_at} />`],
      ["Parked messages", attributes.parked_messages
        ? html`<a href=${fragment(workspaceId, "failures", [], { connector: id })}>${number(attributes.parked_messages)}</a>` : "none"],
      ["Connected", html`<${Time} at=${attributes.created_at} />`],
    ]} />`;
}

// ---- rows by day and type -----------------------------------------------------------------------------------------------

const RANGES = { 30: "30 days", 90: "90 days", 365: "A year" };

function Activity({ activity, range, query, name }) {
  const type = recordType(query.get("of"))?.type ?? "";
  const [from, to] = [daysBefore(range - 1), daysBefore(0)];
  const rows = activity.document?.data ?? [];
  const days = byDay(rows, from, to, type);
  const [input, output] = ["input", "output"].map((direction) => days.reduce((so, day) => so + day[direction], 0));
  const brought = [input && `brought ${plural(input, "row")} in`, output && `carried ${plural(output, "row")} out`].filter(Boolean);
  return html`
    <${Section} title="By day" aside=${html`
      <${Choice} label="Range" value=${String(range)} options=${Object.entries(RANGES)} choose=${(value) => refine({ days: value === "30" ? "" : value })} />`}>
      <div class="filters">
        <${Choice} label="Type of record" value=${type} choose=${(value) => refine({ of: value })} options=${TYPES} />
      </div>
      <${Loaded} of=${activity} what=${`what ${name} brought by day`} lines=${5}>${() =>
        brought.length === 0
          ? html`<${Empty}>${name} has linked nothing${type ? ` of the ${records(type)}` : ""} in this time. A sync appears here within seconds.<//>`
          : html`
            <p>In ${range === 365 ? "a year" : `${range} days`} it ${listed(brought)}${type ? ` of ${records(type)}` : ""}.</p>
            <${Twin} title="rows by day" chart=${html`<${DayBars} days=${days} label=${`${name}, rows by day: ${listed(brought)}; the table says the same`} />`}
              table=${() => html`<${DayTable} rows=${rows} type=${type} />`} />`}<//>
    <//>`;
}

function DayTable({ rows, type }) {
  const of = (counts, direction) => type ? (counts?.[type]?.[direction] ?? 0) : total(counts, direction);
  const columns = [
    { name: "Day (UTC)", cell: (row) => utcDay(row.attributes.date) },
    { name: "In", kind: "number", cell: (row) => number(of(row.attributes.linked, "input")) },
    { name: "Out", kind: "number", cell: (row) => number(of(row.attributes.linked, "output")) },
    { name: "Ended", kind: "number", cell: (row) => number(of(row.attributes.ended, "input") + of(row.attributes.ended, "output")) },
  ];
  const newest = [...rows].sort((a, b) => b.attributes.date.localeCompare(a.attributes.date));
  return html`<${Table} caption="Rows by day" columns=${columns} rows=${newest} />`;
}

// ---- messages -------------------------------------------------------------------------------------------------------

function Messages({ id, query, name, workspaceId }) {
  const outcome = query.get("outcome") ?? "";
  const url = path("/v1/sync-messages", { "filter[workspace_connector]": id, "filter[outcome]": outcome, "page[size]": 10 });
  const list = useList(url);
  return html`
    <${Section} title="Messages" aside=${html`<${AsOf} path=${url} />`}>
      <div class="filters">
        <${Choice} label="Outcome" value=${outcome} choose=${(value) => refine({ outcome: value })}
          options=${[["", "All"], ["applied", "Applied"], ["parked", "Parked"], ["dismissed", "Dismissed"]]} />
      </div>
      <${List} of=${list} what=${`the messages of ${name}`} lines=${4}
        empty=${outcome ? `No message of ${name} is ${outcome}.` : `${name} has sent no message that is still kept.`}>${(rows) => outcome === "parked"
        ? html`<ul class="messages">${rows.map((row) => html`<${Message} key=${row.id} row=${row} done=${list.reload} />`)}</ul>`
        : html`<${Table} caption=${`Messages of ${name}`} rows=${rows} columns=${[
            { name: "Received", cell: (row) => html`<${Time} at=${row.attributes.received_at} />` },
            { name: "What", cell: (row) => html`${kindOf(row.attributes.message_type)}${row.attributes.run && html`<br /><span class="quiet">run ${row.attributes.run}</span>`}` },
            { name: "Outcome", cell: (row) => row.attributes.outcome === "parked"
                ? html`<${Attention}>parked<//><br /><span class="quiet">${says(row.attributes.reason)}</span>`
                : row.attributes.outcome?.replaceAll("_", " ") },
            { name: "Linked", kind: "number", cell: (row) => number(counted(row, "linked")) },
            { name: "Ended", kind: "number", cell: (row) => number(counted(row, "ended")) },
            { name: "Made", kind: "number", cell: (row) => number(counted(row, "made")) },
            { name: "Records", cell: (row) => counted(row, "linked") > 0 && html`<${Linked} message=${row.id} workspaceId=${workspaceId} />` },
          ]} />`}<//>
    <//>`;
}

// ---- what disconnecting would lose -----------------------------------------------------------------------------------------

function Impact({ id, name, workspaceId, query }) {
  const url = `/v1/workspace-connectors/${encodeURIComponent(id)}/impact`;
  const impact = useDocument(url);
  const sole = impact.document?.data.attributes.sole_source ?? {};
  const open = recordType(query.get("sole"))?.type;
  return html`
    <${Section} title="If it is disconnected" aside=${html`<${AsOf} at=${impact.at} path=${url} />`}>
      <${Loaded} of=${impact} what=${`what disconnecting ${name} would lose`} lines=${3}>${() => {
        const { live_rows: live, examined, is_capped: isCapped } = impact.document.data.attributes;
        const lost = Object.entries(sole).filter(([, count]) => count > 0);
        return html`
          <p>${total(live) === 0
            ? `Nothing would be lost: ${name} holds no live row.`
            : html`${plural(total(live), "live row")} would end. ${lost.length
              ? html`<b>For ${listed(lost.map(([type, count]) => `${number(count)} ${records(type)}`))}, ${name} is the only source.</b>`
              : examined === 0
                ? `${name} brings no record in, so none would lose a source.`
                : isCapped ? "Each of those that were looked at has another source." : "Each of the records that it brings in has another source."}`}
            ${isCapped && ` Of its records, the newest ${number(examined)} were looked at.`}</p>
          ${total(live) > 0 && html`<${Table} caption="Live rows by type" rows=${Object.entries(live).filter(([, counts]) => Object.values(counts).some(Boolean))} keyOf=${([type]) => type} columns=${[
            { name: "Records", cell: ([type]) => capital(records(type)) },
            { name: "Live rows in", kind: "number", cell: ([, counts]) => number(counts.input ?? 0) },
            { name: "Live rows out", kind: "number", cell: ([, counts]) => number(counts.output ?? 0) },
            { name: "Only source of", kind: "number", cell: ([type]) => sole[type]
                ? html`<button class="link" aria-expanded=${String(open === type)} onClick=${() => refine({ sole: open === type ? "" : type })}>${capped(sole[type], isCapped)}</button>`
                : "none" },
          ]} />`}
          ${open && html`<${SoleSource} id=${id} type=${recordType(open)} workspaceId=${workspaceId} name=${name} />`}`;
      }}<//>
    <//>`;
}

function SoleSource({ id, type, workspaceId, name }) {
  const list = useList(path(type.route, { "filter[sole_source]": id, "filter[workspace]": workspaceId, "page[size]": 50 }));
  return html`
    <h3>${capital(type.names)} that only ${name} brings in</h3>
    <${Loaded} of=${list} what=${`the ${type.names} that only ${name} brings in`} lines=${4}>${() =>
      list.rows.length === 0 && !list.next
        ? html`<${Empty}>There are none now.<//>`
        : html`<ul class="names">${list.rows.map((row) => html`
            <li key=${row.id}><a href=${fragment(workspaceId, "records", [type.type, row.id])}>${titleOf(row, type.type)}</a></li>`)}</ul>`}<//>
    <${More} of=${list} />`;
}

// What one message linked, of each type the newest: read when somebody asks.
function Linked({ message, workspaceId }) {
  const [isOpen, setOpen] = useState(false);
  return html`
    <button class="link" aria-expanded=${String(isOpen)} onClick=${() => setOpen(!isOpen)}>${isOpen ? "Hide" : "Show"}<span class="unseen"> the records of this message</span></button>
    ${isOpen && html`<ul class="names">${settings.records.map((type) => html`<${LinkedOf} key=${type.type} type=${type} message=${message} workspaceId=${workspaceId} />`)}</ul>`}`;
}

const LINKED = 10;

function LinkedOf({ type, message, workspaceId }) {
  const list = useList(path(type.links, { "filter[sync_message]": message, "filter[deleted]": "include", include: type.type, "page[size]": LINKED }));
  const { related } = included(...list.pages);
  if (list.error) return html`<li><${Problem} error=${list.error} retry=${list.reload} /></li>`;
  return html`
    ${list.rows.map((row) => {
      const record = related(row, type.type);
      return html`<li key=${row.id}>${record ? html`<a href=${fragment(workspaceId, "records", [type.type, record.id])}>${titleOf(record, type.type)}</a>` : html`<span class="quiet">a ${type.name} that is gone</span>`}</li>`;
    })}
    ${list.next && html`<li class="quiet">and more ${type.names}</li>`}`;
}
