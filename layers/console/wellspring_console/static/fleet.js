// The fleet: is it one customer, one tool, or all of us? And where is what has this name?

import { useDocument } from "./loading.js";
import { listed, number, plural } from "./format.js";
import { Found } from "./found.js";
import { HEALTH, showOf, SHOWS } from "./health.js";
import { html, useState } from "./html.js";
import { AsOf, Attention, Empty, Loaded, Search, Section, Table, Time, View } from "./parts.js";
import { says } from "./reasons.js";
import { fragment, NO_WORKSPACE, refine } from "./route.js";

export const FLEET = "/v1/fleet";
// Of tools: so many are shown at first, those first that the API found worst.
const SHOWN = 10;
// A tool stands out where more than half of at least so many of its connectors are failing or late.
const FEW = 3;

/** The address of the connectors of all workspaces that are so. */
const connectorsThat = (show, connector) => fragment(NO_WORKSPACE, "connectors", [], { show, connector });

export function Fleet({ query }) {
  const text = (query.get("q") ?? "").trim();
  const fleet = useDocument(text ? null : FLEET, { live: true });
  const of = fleet.document?.data.attributes;
  return html`
    <${View} title="Fleet" lead=${text ? `What has a name that begins with “${text}”, in all workspaces:` : of && sentence(of)}
      aside=${!text && html`<${AsOf} at=${of?.as_of && Date.parse(of.as_of)} live=${!fleet.error} path=${FLEET} />`}>
      <div class="filters">
        <${Search} label="Find a record or a workspace" placeholder="Its name begins with" value=${query.get("q") ?? ""} choose=${(q) => refine({ q })} />
      </div>
      ${text
        ? html`<${Found} key="found" text=${text} hasWorkspaces=${true} />`
        : html`
          <${Loaded} of=${fleet} what="how well all connectors are" lines=${12}>${() => html`
            <${Section} title="By health"><${ByHealth} connectors=${of.connectors} /><//>
            <${Section} title="By tool"><${ByTool} tools=${of.tools} isSilent=${of.is_silent} /><//>
            <${Section} title="Parked"><${Parked} parked=${of.parked} incomplete=${of.runs_incomplete} /><//>`}<//>`}
    <//>`;
}

/** Silence, as of nobody's fault; nothing where there is none. `of`: the fleet's attributes. */
export const silence = ({ is_silent: isSilent, silent_since: since }) => isSilent && html`
  <${Attention}>The whole platform fell silent <${Time} at=${since} />:<//> more than half of the connectors that were due have not come, which is no customer's fault.`;

function sentence(of) {
  if (!of.as_of) return "Nothing has been counted yet; it is, each minute.";
  if (of.is_silent) return silence(of);
  const counts = new Map(of.connectors.map((one) => [one.health, one.number]));
  const all = of.connectors.reduce((so, one) => so + one.number, 0);
  const found = ["failing", "late", "reconnect"]
    .map((show) => ({ count: SHOWS[show].healths.reduce((so, health) => so + (counts.get(health) ?? 0), 0), does: SHOWS[show].does }))
    .filter(({ count }) => count);
  if (!found.length) return `Of ${plural(all, "connector")} none is failing or late, and none must be reconnected.`;
  const sum = found.reduce((so, { count }) => so + count, 0);
  return `${number(sum)} of ${plural(all, "connector")} ${sum === 1 ? "needs" : "need"} somebody: ${listed(found.map(({ count, does }) => `${number(count)} ${does[Number(count > 1)]}`))}.`;
}

// A number that leads to what it counts.
const Count = ({ of, href }) => (of ? html`<a href=${href}>${number(of)}</a>` : html`<span class="quiet">0</span>`);

function ByHealth({ connectors }) {
  const order = Object.keys(HEALTH);
  const rows = [...connectors].sort((a, b) => order.indexOf(a.health) - order.indexOf(b.health));
  return html`
    <${Table} caption="Connectors by health" isNarrow=${true} rows=${rows} keyOf=${(row) => row.health} columns=${[
      { name: "Health", cell: ({ health }) => HEALTH[health]?.[0] ?? health },
      { name: "Connectors", kind: "number", cell: ({ health, number: count }) => html`<${Count} of=${count} href=${connectorsThat(showOf(health))} />` },
      { name: "Who does something", kind: "wide", cell: ({ health }) => html`<span class="quiet">${HEALTH[health]?.[1]}</span>` },
    ]} />`;
}

const ill = (tool) => tool.failing + tool.late;
const due = (tool) => tool.number - tool.new - tool.disconnected;
const standsOut = (tool) => due(tool) >= FEW && 2 * ill(tool) > due(tool);

function ByTool({ tools, isSilent }) {
  const [isWhole, setWhole] = useState(false);
  if (tools.length === 0) return html`<${Empty}>There is no connector yet. One appears here when the platform's feed tells of it.<//>`;
  const count = (name, show, of, kind = "number") => ({
    name, kind, cell: (tool) => html`<${Count} of=${of(tool)} href=${connectorsThat(show, tool.connector)} />`,
  });
  return html`
    ${!isSilent && html`<p>${verdict(tools)}</p>`}
    <${Table} caption="Connectors by tool" isNarrow=${true} rows=${isWhole ? tools : tools.slice(0, SHOWN)} keyOf=${(tool) => tool.connector} columns=${[
      { name: "Tool", cell: (tool) => html`<a href=${connectorsThat(worst(tool), tool.connector)}>${tool.name}</a>` },
      count("Failing", "failing", (tool) => tool.failing),
      count("Late", "late", (tool) => tool.late),
      count("To reconnect", "reconnect", (tool) => tool.consent_expired + tool.consent_expires),
      count("Well", "ok", (tool) => tool.ok, "number wide"),
      { name: "In all", kind: "number", cell: (tool) => number(tool.number) },
    ]} />
    ${!isWhole && tools.length > SHOWN && html`<p class="after"><button class="link" onClick=${() => setWhole(true)}>Show all ${number(tools.length)} tools</button></p>`}`;
}

const worst = (tool) => showOf(Object.keys(HEALTH).find((health) => tool[health]) ?? "ok");

function verdict(tools) {
  const down = tools.filter(standsOut);
  if (!down.length) return tools.some(ill) ? "No tool stands out: of none with at least 3 connectors are more than half failing or late. Look at single customers." : "No connector of any tool is failing or late.";
  const told = down.slice(0, FEW).map((tool) => `${number(ill(tool))} of ${number(due(tool))} by ${tool.name}`);
  return html`<${Attention}>${down.length === 1 ? "A tool stands out" : `${number(down.length)} tools stand out`}:<//> failing or late are ${listed(told)}${down.length > FEW ? ", and others" : ""}.`;
}

function Parked({ parked, incomplete }) {
  if (parked.length === 0) return html`<${Empty}>No message of any workspace is parked.<//>`;
  return html`
    <${Table} caption="Parked messages by reason" isNarrow=${true} rows=${parked} keyOf=${(row) => row.reason} columns=${[
      { name: "Reason", cell: ({ reason }) => html`<a href=${fragment(NO_WORKSPACE, "failures", [], { reason })}>${says(reason)}</a>` },
      { name: "Messages", kind: "number", cell: (row) => number(row.number) },
      { name: "Oldest", cell: (row) => html`<${Time} at=${row.oldest_at} />` },
    ]} />
    ${incomplete > 0 && html`<p>${incomplete === 1 ? "One run has" : `${number(incomplete)} runs have`} not come whole.</p>`}`;
}
