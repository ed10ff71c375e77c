// The platform's feed, for services: how far is it, what waits, what is parked and why?

import { path, send } from "./api.js";
import { number, plural } from "./format.js";
import { html } from "./html.js";
import { useDocument, useList } from "./loading.js";
import { Acts, grouped, ParkedGroup } from "./parked.js";
import { AsOf, Attention, Choice, Empty, Id, Late, Loaded, More, Section, Table, Time, View } from "./parts.js";
import { adviceOfFeed, mayHelpFeed, saysOfFeed } from "./reasons.js";
import { refine } from "./route.js";
import { mayRelease } from "./session.js";
import { recordType } from "./settings.js";

const STATUS = "/v1/feed-status";
const EVENTS = "/v1/feed-events";
// Counts of what waits and is parked stop here, for each source and type.
const CAP = 10_000;

export function Feed({ query }) {
  const status = useDocument(STATUS, { live: true });
  const outcome = query.get("outcome") ?? "parked";
  const url = path(EVENTS, { "filter[outcome]": outcome, "page[size]": 100 });
  const events = useList(url, { live: true });
  const done = () => {
    events.reload();
    status.reload();
  };
  const of = status.document?.data.attributes;
  return html`
    <${View} title="Feed" lead=${of && sentence(of)} aside=${html`<${AsOf} at=${status.at} live=${!status.error} path=${STATUS} />`}>
      <${Loaded} of=${status} what="how far the feed is" lines=${6}>${() => html`
        <${Section} title="What did not take effect" aside=${html`<${AsOf} path=${url} />`}>
          <div class="filters">
            <${Choice} label="Which events" value=${outcome} choose=${(value) => refine({ outcome: value === "parked" ? "" : value })}
              options=${[["parked", "Parked"], ["waiting", "Waiting"]]} />
          </div>
          <${Loaded} of=${events} what=${`the events that are ${outcome}`} lines=${4}>${() =>
            events.rows.length === 0
              ? html`<${Empty}>${outcome === "waiting"
                  ? "No event waits. One waits when it names something that has not come yet, and is applied within a minute after that."
                  : "No event is parked. One is parked when it cannot be applied, and appears here with its reason."}<//>`
              : grouped(events.rows, ({ attributes }) => `${attributes.source} ${attributes.reason}`)
                .map(({ key, rows }) => html`<${Group} key=${key} events=${rows} isWhole=${!events.next} done=${done} />`)}<//>
          <${More} of=${events} what="events" />
        <//>
        <${Section} title="Sources"><${Sources} sources=${of.sources} /><//>
        <${Section} title="Files"><${Files} files=${of.loads} /><//>`}<//>
    <//>`;
}

function sentence({ waiting, parked, lag_seconds: lag }) {
  if (!waiting && !parked) return "Every event that came has taken effect.";
  const parts = [
    parked && `${countOf(parked)} ${parked === 1 ? "event is" : "events are"} parked`,
    waiting && `${countOf(waiting)} ${waiting === 1 ? "waits" : "wait"} for something that has not come, the oldest for ${duration(lag)}`,
  ].filter(Boolean);
  return `${parts.join("; ")}.`;
}

const countOf = (count) => (count >= CAP ? `${number(CAP)} or more` : number(count));

function duration(seconds) {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

const typeWords = (type) => recordType(type)?.names ?? type.replaceAll("_", " ");

// ---- events ---------------------------------------------------------------------------------------------------------

function Group({ events, isWhole, done }) {
  const { source, reason } = events[0].attributes;
  return html`
    <${ParkedGroup} heading=${html`<h3>${source ?? "No known source"}</h3>`} reason=${reason} rows=${events} what="event" done=${done}
      mark=${html`<${reason ? Attention : Late}>${plural(events.length, "event")}${isWhole ? "" : " so far"}<//>`}
      says=${html`${saysOfFeed(reason)} <b>${adviceOfFeed(reason)}</b>`}
      ask=${source && mayHelpFeed(reason) && ((isDry) => send("POST", `${EVENTS}/release`, { meta: { source, reason, dry_run: isDry } }))}
      one=${(row) => html`<${Event} key=${row.id} row=${row} done=${done} />`} />`;
}

function Event({ row, done }) {
  const { event_type: type, event_id: event, subject, sequence, received_at: received, problems, outcome, reason } = row.attributes;
  return html`
    <li>
      <p><b>${type ?? "Not an event"}</b>${sequence && html`, sequence <code>${sequence}</code>`}, received <${Time} at=${received} /></p>
      ${subject && html`<p class="quiet">Of <${Id} id=${subject} /></p>`}
      ${event && html`<p class="quiet">Event <${Id} id=${event} /></p>`}
      ${(problems ?? []).filter((one) => one.pointer).map((one, index) => html`<p key=${index} class="quiet">At <code>${one.pointer}</code>: ${one.code}</p>`)}
      ${mayRelease() && outcome === "parked" && html`
        <${Acts} url=${`${EVENTS}/${encodeURIComponent(row.id)}`} mayHelp=${mayHelpFeed(reason)} says=${saysOfFeed} done=${done} />`}
    </li>`;
}

// ---- sources and files ------------------------------------------------------------------------------------------------

const Sources = ({ sources }) => sources.length === 0
  ? html`<${Empty}>No source has told of anything yet. A source appears here with its first event.<//>`
  : html`<${Table} caption="Sources" rows=${sources} keyOf=${(one) => `${one.source} ${one.type}`} columns=${[
      { name: "Source", cell: (one) => one.source },
      { name: "What", cell: (one) => typeWords(one.type) },
      { name: "Events", kind: "number", cell: (one) => number(one.events) },
      { name: "Took effect", kind: "number", cell: (one) => number(one.applied) },
      { name: "Live", kind: "number", cell: (one) => number(one.live) },
      { name: "Waiting", kind: "number", cell: (one) => countOrNone(one.waiting, Late) },
      { name: "Parked", kind: "number", cell: (one) => countOrNone(one.parked, Attention) },
      { name: "Last came", cell: (one) => html`<${Time} at=${one.last_received_at} />` },
    ]} />`;

const countOrNone = (count, As) => count ? html`<${As}>${countOf(count)}<//>` : html`<span class="quiet">none</span>`;

const Files = ({ files }) => files.length === 0
  ? html`<${Empty}>No file has been loaded. The ten latest ones appear here.<//>`
  : html`<${Table} caption="Files" rows=${files} keyOf=${(one) => one.name} columns=${[
      { name: "File", cell: (one) => one.name.replace(/^load\//, "") },
      { name: "Outcome", cell: (one) => one.outcome === "failed" ? html`<${Attention}>failed<//>` : one.outcome.replaceAll("_", " ") },
      { name: "Lines", kind: "number", cell: (one) => number(one.lines) },
      { name: "Began", cell: (one) => html`<${Time} at=${one.started_at} />` },
      { name: "Ended", cell: (one) => html`<${Time} at=${one.finished_at} never="not yet" />` },
    ]} />`;
