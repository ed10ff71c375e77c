// Records: find one by its name.

import { path } from "./api.js";
import { capital } from "./format.js";
import { html } from "./html.js";
import { useList } from "./loading.js";
import { AsOf, Choice, Empty, Loaded, More, Search, Table, Time, View } from "./parts.js";
import { fragment, refine } from "./route.js";
import { recordType, settings } from "./settings.js";

// A part of a name is looked for where it has so many letters; the beginning of one where it has fewer.
const PART = 3;

export const titleOf = (record, type) => record.attributes[recordType(type).label];

export function Records({ workspaceId, workspace, query }) {
  const type = recordType(query.get("type")) ?? settings.records[0];
  const text = (query.get("q") ?? "").trim();
  const url = path(type.route, {
    "filter[workspace]": workspaceId,
    [text.length >= PART ? "filter[name][contains]" : "filter[name][starts]"]: text,
    sort: text ? "name" : "-created_at",
    "page[size]": 50,
  });
  const list = useList(url);
  const name = workspace?.attributes.name ?? "this workspace";
  const lead = text
    ? list.document && (list.rows.length ? `${capital(type.names)} of ${name} that are called “${text}”.` : `None of the ${type.names} of ${name} is called “${text}”.`)
    : `The newest ${type.names} of ${name}. Open one to see where it came from and where it went.`;
  return html`
    <${View} title="Records" lead=${lead} aside=${html`<${AsOf} at=${list.at} path=${url} />`}>
      <div class="filters">
        <${Choice} label="Type of record" value=${type.type} choose=${(value) => refine({ type: value })}
          options=${settings.records.map((one) => [one.type, capital(one.names)])} />
        <${Search} label="Find by name" value=${query.get("q") ?? ""} choose=${(q) => refine({ q })} />
      </div>
      <${Loaded} of=${list} what=${`the ${type.names} of ${name}`} lines=${8}>${() =>
        list.rows.length === 0
          ? html`<${Empty}>${text ? "Try the beginning of the name, or another type of record." : `${name} has none of the ${type.names} yet. A record appears here when the platform's feed or a sync brings it.`}<//>`
          : html`<${Table} caption=${capital(type.names)} rows=${list.rows} columns=${[
              { name: "Name", cell: (row) => html`<a href=${fragment(workspaceId, "records", [type.type, row.id])}>${titleOf(row, type.type)}</a>` },
              ...type.others.map((other) => ({ name: capital(other.replaceAll("_", " ")), cell: (row) => row.attributes[other] ?? html`<span class="quiet">none</span>` })),
              { name: "Here since", cell: (row) => html`<${Time} at=${row.attributes.created_at} />` },
            ]} />`}<//>
      <${More} of=${list} />
    <//>`;
}
