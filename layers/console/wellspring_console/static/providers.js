// Providers: what this workspace has chosen of the catalogue, and the rest of it.

import { idOf, linksTo, path, send } from "./api.js";
import { Audit } from "./audit.js";
import { Confirmed } from "./confirmed.js";
import { capital, number, plural } from "./format.js";
import { html } from "./html.js";
import { useAction, useDocument, useList } from "./loading.js";
import { AsOf, Choice, Empty, Loaded, More, Problem, Search, Table, View } from "./parts.js";
import { refine } from "./route.js";
import { isPerson, personId } from "./session.js";

const COUNTRY = new Intl.DisplayNames("en", { type: "region", fallback: "code" });
const country = (code) => (/^[A-Z]{2}$/.test(code) ? COUNTRY.of(code) : code);

// "developer-tools" → "Developer tools"; "ai" and "crm" are abbreviations.
const categoryWords = (slug) => (slug.length < 4 ? slug.toUpperCase() : capital(slug.replaceAll("-", " ")));

// The role of who is signed in, in a workspace: undefined while it is not known, null where there is none.
function useRole(workspaceId) {
  const mine = useDocument(isPerson()
    ? path("/v1/workspace-memberships", { "filter[people]": personId(), "filter[workspace]": workspaceId }) : null);
  if (!isPerson() || mine.error) return null;
  return mine.document && (mine.document.data.find((row) => row.attributes.status === "active")?.attributes.role ?? null);
}

export function Providers({ workspaceId, workspace, query }) {
  const show = query.get("show") ?? "all";
  const [category, place, text] = ["category", "country", "q"].map((name) => query.get(name) ?? "");
  const url = path("/v1/providers", {
    "filter[category]": category, "filter[country]": place, "filter[name][starts]": text, sort: "name", "page[size]": 100,
  });
  const list = useList(url);
  // What there is to choose from: the categories and countries of the catalogue's first 500.
  const every = useDocument(path("/v1/providers", { "fields[provider]": "name,category,countries", sort: "name", "page[size]": 500 }));
  const chosen = useList(path(`/v1/workspaces/${encodeURIComponent(workspaceId)}/providers`, { "page[size]": 500 }));
  const role = useRole(workspaceId);
  const mayChoose = ["owner", "admin", "member"].includes(role);
  const choices = new Map(chosen.rows.map((row) => [idOf(row, "provider"), row.attributes]));
  const selected = chosen.rows.filter((row) => row.attributes.is_selected);
  const matched = chosen.rows.filter((row) => !row.attributes.is_selected);
  const known = every.document?.data ?? [];
  const categories = [...new Set(known.map((row) => row.attributes.category).filter(Boolean))].sort();
  const places = [...new Set(known.flatMap((row) => row.attributes.countries))].sort((a, b) => country(a).localeCompare(country(b)));
  const name = workspace?.attributes.name ?? "This workspace";
  const rows = list.rows.filter((row) => show === "all" || choices.has(row.id));
  // What each row says and offers is known before it is shown.
  const isWhole = role !== undefined && [chosen, every].every((one) => one.document || one.error);
  const shown = isWhole || list.error ? list : { ...list, document: undefined };
  return html`
    <${View} title="Providers" aside=${html`<${AsOf} at=${list.at} path=${url} />`}
      lead=${chosen.document && `${name} has selected ${plural(selected.length, "provider")}${matched.length ? `, and was matched to ${number(matched.length)} more` : ""}.`}>
      ${role !== undefined && !mayChoose && html`<p class="quiet">${isPerson()
        ? role === "guest" ? "As a guest you read this. An owner, admin or member of the workspace selects." : "You are no direct member of this workspace: its owners, admins and members select."
        : "A service reads this. People of the workspace select."}</p>`}
      <div class="filters">
        <${Choice} label="Which providers" value=${show} choose=${(value) => refine({ show: value === "all" ? "" : value })}
          options=${[["all", "Catalogue"], ["own", "Chosen here"]]} />
        <${Pick} label="Category" value=${category} options=${categories.map((one) => [one, categoryWords(one)])} choose=${(value) => refine({ category: value })} />
        <${Pick} label="Country" value=${place} options=${places.map((one) => [one, country(one)])} choose=${(value) => refine({ country: value })} />
        <${Search} label="Name begins with" value=${text} choose=${(q) => refine({ q })} />
      </div>
      <${Problem} error=${chosen.error} retry=${chosen.reload} />
      <${Loaded} of=${shown} what="the catalogue of providers" lines=${8}>${() =>
        rows.length === 0
          ? html`<${Empty}>${show === "own" ? `${name} has selected none of these.` : "The catalogue has no such provider."}<//>`
          : html`<${Table} caption="Providers" rows=${rows} columns=${[
              { name: "Provider", cell: (row) => html`${row.attributes.name}<br /><span class="quiet">${hostOf(row.attributes.url)}</span>` },
              { name: "Category", cell: (row) => row.attributes.category ? categoryWords(row.attributes.category) : html`<span class="quiet">none</span>` },
              { name: "Countries", cell: (row) => row.attributes.countries.map(country).join(", ") || html`<span class="quiet">everywhere</span>` },
              { name: "Here", kind: "short", cell: (row) => html`<${Chosen} choice=${choices.get(row.id)} />` },
              mayChoose && { name: "Change", cell: (row) => html`<${Change} provider=${row} choice=${choices.get(row.id)} workspaceId=${workspaceId} done=${chosen.reload} />` },
            ].filter(Boolean)} />`}<//>
      <${More} of=${list} />
      ${shown.document && html`<${Audit} workspaceId=${workspaceId} />`}
    <//>`;
}

/** A choice among many. */
export const Pick = ({ label, value, options, choose, all = "All" }) => html`
  <label class="pick"><span>${label}</span>
    <select value=${value} onChange=${(event) => choose(event.target.value)}>
      <option value="">${all}</option>
      ${options.map(([name, words]) => html`<option key=${name} value=${name} selected=${name === value}>${words}</option>`)}
      ${value && !options.some(([name]) => name === value) && html`<option value=${value} selected>${value}</option>`}
    </select></label>`;

const Chosen = ({ choice }) => choice
  ? choice.is_selected ? html`<b>selected</b>` : "matched"
  : html`<span class="quiet">no</span>`;

function Change({ provider, choice, workspaceId, done }) {
  const route = `/v1/workspaces/${encodeURIComponent(workspaceId)}/providers`;
  const { name } = provider.attributes;
  const select = useAction(() => send("POST", route, { data: { type: "workspace_provider", relationships: linksTo({ provider: provider.id }) } }), done);
  return html`
    ${!choice?.is_selected && html`<button disabled=${select.busy} onClick=${() => select.run()}>Select<span class="unseen"> ${name}</span></button> `}
    ${choice && html`<${Confirmed} key=${provider.id} verb="Remove" of=${name} act=${() => send("DELETE", `${route}/${provider.id}`)} done=${done}
      warning=${choice.is_selected ? "The workspace's scope will be without it; it can be selected again." : "It will no longer be proposed."} />`}
    <${Problem} error=${select.error} />`;
}

function hostOf(url) {
  try {
    return new URL(url).host;
  } catch {
    return "";
  }
}
