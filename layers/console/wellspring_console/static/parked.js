// What a service may do with what is parked: try it again, or close it for good. Messages and events of the feed alike.

import { send } from "./api.js";
import { number, plural } from "./format.js";
import { html, useState } from "./html.js";
import { useAction } from "./loading.js";
import { Copy, Problem, ShowMore } from "./parts.js";
import { mayRelease } from "./session.js";

/** Rows in groups of the same `keyOf(row)`, the largest first: [{key, rows}]. */
export const grouped = (rows, keyOf) =>
  [...Map.groupBy(rows, keyOf)].map(([key, some]) => ({ key, rows: some })).sort((a, b) => b.rows.length - a.rows.length);

// So many of a group are shown at first.
const SHOWN = 5;

/**
 * What is parked for one reason. `heading`: whose; `mark`: how many; `says`: why, and what to do; `ask(isDry)`: releases all of
 * them, where that may help; `one(row)`: how each is shown.
 */
export function ParkedGroup({ heading, mark, reason, says, rows, what, ask, done, one }) {
  const [shown, setShown] = useState(SHOWN);
  return html`
    <section class="failure">
      <header class="section-head">${heading}<div class="aside">${mark}${reason && html` <code>${reason}</code>`}</div></header>
      <p>${says}</p>
      ${mayRelease() && rows.length > 1 && ask && html`<${ReleaseMany} what=${what} done=${done} ask=${ask} />`}
      <ul class="messages">${rows.slice(0, shown).map(one)}</ul>
      <${ShowMore} shown=${shown} all=${rows.length} step=${20} show=${setShown} />
    </section>`;
}

/**
 * The buttons of one that is parked. `url`: its own; `mayHelp`: whether trying it again could; `says(reason)`: why it is still
 * parked; `done`: what follows; `warning`: what is to be agreed to before it is released.
 */
export function Acts({ url, mayHelp, says, done, warning }) {
  const [note, setNote] = useState(null);
  const [asked, setAsked] = useState(false);
  const [said, setSaid] = useState("");
  const release = useAction(() => send("POST", `${url}/release`), (answer) => {
    const { outcome, reason } = answer.data.attributes;
    setSaid(outcome === "parked" ? `Tried, and still parked. ${says(reason)}` : "");
    done();
  });
  const dismiss = useAction(() => send("POST", `${url}/dismiss`, { meta: { note: note.trim() } }), done);
  const busy = release.busy || dismiss.busy;
  return html`
    <div class="acts">
      ${mayHelp && !asked && html`<button disabled=${busy} onClick=${() => (warning ? setAsked(true) : release.run())}>Release</button> `}
      ${asked && html`
        <span role="status">${warning} </span>
        <button class="grave" disabled=${busy} onClick=${() => release.run()}>Release it all the same</button>
        <button disabled=${busy} onClick=${() => setAsked(false)}>Leave it</button> `}
      ${note === null
        ? html`<button disabled=${busy} onClick=${() => setNote("")}>Dismiss</button>`
        : html`
          <form class="filters" onSubmit=${dismiss.submit}>
            <label class="search"><span>Why it is dismissed, which cannot be undone</span>
              <input required maxlength="2000" value=${note} onInput=${(event) => setNote(event.target.value)} /></label>
            <button class="grave" disabled=${busy || !note.trim()}>Dismiss it</button>
            <button type="button" disabled=${busy} onClick=${() => setNote(null)}>Keep it</button>
          </form>`}
      ${mayHelp && html`<${Copy} text=${`curl -s -X POST -H "Authorization: Bearer $TOKEN" "${location.origin}${url}/release"`} label="curl" what="Copy the curl command that releases it" />`}
      <span role="status">${said}</span>
    </div>
    <${Problem} error=${release.error ?? dismiss.error} />`;
}

/** The button that tries all of a group, up to a hundred at a time. First `ask(true)` says what would happen; `what`: "message". */
function ReleaseMany({ ask, what, done }) {
  const [answer, setAnswer] = useState(null);
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
        <span role="status">${plural(answer.matching, what)} would be tried, the oldest first${answer.matching > 100 ? ", 100 at a time" : ""}. </span>
        <button class="first" disabled=${busy || !answer.matching} onClick=${() => real.run()}>Release</button>
        <button disabled=${busy} onClick=${() => setAnswer(null)}>Leave them</button>`}
      ${answer && !answer.isDry && html`
        <span role="status">${number(answer.released)} released, ${number(answer.still_parked)} still parked, ${number(answer.remaining)} not tried yet.</span>`}
    </div>
    <${Problem} error=${dry.error ?? real.error} />`;
}
