// What takes something away is asked for twice.

import { html, useState } from "./html.js";
import { useAction } from "./loading.js";
import { Problem } from "./parts.js";

/** A deed that cannot be undone by pressing again: it is asked for once more, in place. `isSaid`: what it is done to is written out. */
export function Confirmed({ verb, of, warning, act, done, isSaid }) {
  const [isAsking, setAsking] = useState(false);
  const action = useAction(act, done);
  if (!isAsking) return html`<button onClick=${() => setAsking(true)}>${verb}<span class=${isSaid ? "" : "unseen"}> ${of}</span></button>`;
  return html`
    <span>${warning} </span>
    <button class="grave" disabled=${action.busy} onClick=${() => action.run()}>${verb} ${of}</button>
    <button disabled=${action.busy} onClick=${() => setAsking(false)}>No</button>
    <${Problem} error=${action.error} />`;
}
