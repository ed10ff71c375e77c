// The frame: who is signed in, which workspace, which view.

import { forget, path } from "./api.js";
import { Connector } from "./connector.js";
import { Connectors } from "./connectors.js";
import { Everywhere } from "./everywhere.js";
import { Failures } from "./failures.js";
import { Feed } from "./feed.js";
import { Fleet } from "./fleet.js";
import { Flow } from "./flow.js";
import { Group, Groups } from "./groups.js";
import { Fragment, html, render, useEffect, useRef, useState } from "./html.js";
import { useDocument, useList } from "./loading.js";
import { Loaded, Logo, More, Problem, Search } from "./parts.js";
import { Providers } from "./providers.js";
import { Record } from "./record.js";
import { Records } from "./records.js";
import { fragment, go, HOME, NO_WORKSPACE, parse } from "./route.js";
import { isPerson, onSession, personId, returnFromIssuer, seesAll, session, signIn, signOut } from "./session.js";
import { settings } from "./settings.js";
import { Workspaces } from "./workspaces.js";

// In the order of the navigation. `one` is what a view shows of one thing, whose id follows in the fragment.
const VIEWS = {
  connectors: { words: "Connectors", many: Connectors, one: Connector },
  failures: { words: "Failures", many: Failures },
  records: { words: "Records", many: Records, one: Record },
  providers: { words: "Providers", many: Providers },
  groups: { words: "Groups", many: Groups, one: Group },
  flow: { words: "Flow", many: Flow },
};
// What is of no workspace, for who sees all of them; the first is what they open on.
const OF_ALL = {
  fleet: { words: "Fleet", shown: Fleet },
  connectors: { words: "Connectors", shown: Everywhere },
  failures: { words: "Failures", shown: Failures },
  workspaces: { words: "Workspaces", shown: Workspaces },
  feed: { words: "Feed", shown: Feed },
};
const FIRST = "connectors";
const MINUTE_MS = 60_000;

function useFragment() {
  const [at, setAt] = useState(() => parse(location.hash));
  useEffect(() => {
    const look = () => setAt(parse(location.hash));
    addEventListener("hashchange", look);
    return () => removeEventListener("hashchange", look);
  }, []);
  return at;
}

function useSession() {
  const [, redraw] = useState(0);
  useEffect(() => onSession(() => redraw((count) => count + 1)), []);
  return session();
}

// "4 h ago" grows old by itself.
function useMinutes() {
  const [, redraw] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => document.visibilityState === "visible" && redraw((count) => count + 1), MINUTE_MS);
    return () => clearInterval(timer);
  }, []);
}

function App({ problem }) {
  const who = useSession();
  if (!who) return html`<${SignedOut} problem=${problem} />`;
  return html`<${Frame} who=${who} />`;
}

function SignedOut({ problem }) {
  const [error, setError] = useState(problem);
  const begin = () => signIn({ again: true }).catch((failed) => setError(failed.message));
  useEffect(() => {
    document.title = "Sign in · Wellspring";
  }, []);
  return html`
    <main class="alone">
      <p class="brand"><${Logo} /> Wellspring</p>
      <h1>${error ? "Sign-in did not work" : "You are signed out"}</h1>
      ${error ? html`<p role="alert">${error}</p>` : html`<p>This page keeps nothing about you.</p>`}
      <button class="first" onClick=${begin}>Sign in</button>
      <p class="quiet">at ${settings.issuer || "no issuer"}</p>
    </main>`;
}

function Frame({ who }) {
  useMinutes();
  const at = useFragment();
  const list = useList(path("/v1/workspaces", { sort: "name", "page[size]": 100 }));
  const isListed = list.rows.some((row) => row.id === at.workspace);
  // One that is far down the list, or not visible at all.
  const isOfNone = !at.workspace || at.workspace === NO_WORKSPACE;
  const other = useDocument(list.document && !isOfNone && !isListed ? `/v1/workspaces/${encodeURIComponent(at.workspace)}` : null);
  const workspace = list.rows.find((row) => row.id === at.workspace) ?? other.document?.data;
  const main = useRef(null);
  const shown = `${at.workspace} ${at.view} ${at.rest.join(" ")}`;
  const before = useRef(shown);
  useEffect(() => {
    // What was chosen is read first; filters change a view and do not leave it.
    if (before.current !== shown) {
      before.current = shown;
      main.current?.querySelector("h1")?.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
  }, [shown]);
  // Who has one workspace has nothing to choose.
  const only = list.rows.length === 1 && !list.next && !seesAll() ? list.rows[0] : null;
  useEffect(() => {
    if (!at.workspace && only) {
      history.replaceState(null, "", fragment(only.id, FIRST));
      dispatchEvent(new HashChangeEvent("hashchange"));
    }
  }, [at.workspace, only?.id]);
  // "/" goes to the view's field to search in; with Ctrl and K one looks through all that one sees.
  const seeks = useRef(false);
  useEffect(() => {
    const press = (event) => {
      const isHere = event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && !event.target.closest("input, textarea, select");
      const isAll = event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey);
      if (!isHere && !isAll) return;
      event.preventDefault();
      seeks.current = true;
      if (isAll || !field()) go(only ? fragment(only.id, "records") : HOME);
      seek();
    };
    const field = () => main.current?.querySelector("input[type=search]");
    const seek = () => requestAnimationFrame(() => {
      if (!seeks.current || !field()) return;
      seeks.current = false;
      field().focus();
    });
    const later = new MutationObserver(seek);
    later.observe(main.current, { childList: true, subtree: true });
    addEventListener("keydown", press);
    return () => {
      later.disconnect();
      removeEventListener("keydown", press);
    };
  }, [only?.id]);
  // Of what is sent to a person, they see what is theirs.
  const ofAll = at.workspace === NO_WORKSPACE && Object.hasOwn(OF_ALL, at.view) ? at.view : seesAll() ? "fleet" : "workspaces";
  const { shown: OfAll } = OF_ALL[ofAll];
  const view = Object.hasOwn(VIEWS, at.view) ? VIEWS[at.view] : VIEWS[FIRST];
  return html`
    <a class="skip" href="#title" onClick=${(event) => {
      event.preventDefault();
      main.current?.querySelector("h1")?.focus();
    }}>Skip to the view</a>
    <header class="side">
      <a class="brand" href=${HOME}><${Logo} /> <span>Wellspring</span></a>
      <${Switch} list=${list} workspace=${workspace} view=${Object.hasOwn(VIEWS, at.view) ? at.view : FIRST} />
      <nav aria-label="Views">
        ${isOfNone && !seesAll() && html`<a href=${HOME} aria-current=${ofAll === "workspaces" ? "page" : undefined}>Workspaces</a>`}
        ${isOfNone && seesAll() && Object.entries(OF_ALL).map(([name, { words }]) => html`
          <a key=${name} href=${name === "fleet" ? HOME : fragment(NO_WORKSPACE, name)} aria-current=${name === ofAll ? "page" : undefined}>${words}</a>`)}
        ${!isOfNone && Object.entries(VIEWS).map(([name, { words }]) => html`
          <a key=${name} href=${fragment(at.workspace, name)} aria-current=${VIEWS[name] === view ? "page" : undefined}>${words}</a>`)}
        ${!isOfNone && seesAll() && html`<a href=${HOME}>Fleet</a>`}
      </nav>
      <${Who} who=${who} />
    </header>
    <main ref=${main}>
      ${who.isExpired && html`<${Expired} />`}
      ${isOfNone ? html`<${OfAll} key=${ofAll} list=${list} query=${at.query} />`
        : list.document && !isListed && !other.document
          ? html`<h1 tabindex="-1" id="title">Workspace</h1><${Loaded} of=${other} what="this workspace">${() => null}<//>
            ${other.error?.status === 404 && html`<${Stranger} who=${who} />`}`
          : html`<${Shown} key=${shown} view=${view} at=${at} workspace=${workspace} />`}
    </main>`;
}

function Shown({ view, at, workspace }) {
  const given = { workspaceId: at.workspace, workspace, rest: at.rest, query: at.query };
  return at.rest.length && view.one ? html`<${view.one} ...${given} />` : html`<${view.many} ...${given} />`;
}

function Expired() {
  return html`
    <div class="problem" role="alert">
      <p class="problem-title">Your sign-in has ended.</p>
      <p>What you see was read before. After signing in you come back to this view.</p>
      <button onClick=${() => signIn().catch(() => {})}>Sign in again</button>
    </div>`;
}

// The workspaces of a person are few, a service's many: the field asks the API where the first hundred are not all.
function Switch({ list, workspace, view }) {
  const [isOpen, setOpen] = useState(false);
  const [text, setText] = useState("");
  const asked = Boolean(text && list.next);
  const found = useList(isOpen && asked
    ? path("/v1/workspaces", { "filter[name][starts]": text, sort: "name", "page[size]": 50 }) : null);
  const box = useRef(null);
  useEffect(() => {
    if (!isOpen) return undefined;
    const close = (event) => {
      if (event.type === "keydown" ? event.key === "Escape" : !box.current.contains(event.target)) setOpen(false);
    };
    addEventListener("keydown", close);
    addEventListener("click", close);
    return () => {
      removeEventListener("keydown", close);
      removeEventListener("click", close);
    };
  }, [isOpen]);
  const here = list.rows.filter((row) => row.attributes.name.toLowerCase().includes(text.toLowerCase()));
  const shown = asked ? found.rows : here;
  return html`
    <div class="switch" ref=${box}>
      <button aria-expanded=${String(isOpen)} onClick=${() => setOpen(!isOpen)}>
        <span class="unseen">Workspace: </span><span class="switch-name">${workspace?.attributes.name ?? "All workspaces"}</span>
        <svg viewBox="0 0 10 6" aria-hidden="true"><path d="M1 1l4 4 4-4" /></svg>
      </button>
      ${isOpen && html`
        <div class="switch-list">
          ${(list.next || list.rows.length > 8) && html`<${Search} label="Find a workspace" value=${text} choose=${setText} />`}
          <ul>
            ${!text && list.rows.length > 1 && html`<li><a href=${HOME} aria-current=${workspace ? undefined : "true"} onClick=${() => setOpen(false)}>All workspaces</a></li>`}
            ${shown.map((row) => html`
              <li key=${row.id}><a href=${fragment(row.id, view)} aria-current=${row.id === workspace?.id ? "true" : undefined}
                onClick=${() => setOpen(false)}>${row.attributes.name}</a></li>`)}
          </ul>
          ${shown.length === 0 && (!asked || found.document) && html`<p class="quiet">${asked ? "No workspace has a name that begins so." : "No workspace has that in its name."}</p>`}
          <${Problem} error=${asked && found.error} retry=${found.reload} />
          ${!text && html`<${More} of=${list} />`}
        </div>`}
    </div>`;
}

function useName(who) {
  const person = useDocument(isPerson() ? `/v1/people/${encodeURIComponent(personId())}` : null);
  return isPerson() ? person.document?.data.attributes.full_name : `${who.claims.sub ?? "a service"} (service)`;
}

const leave = () => {
  forget();
  signOut();
};

function Stranger({ who }) {
  const name = useName(who);
  return html`
    <p>You are signed in as <b>${name ?? "somebody whom this ledger does not know"}</b>. If a colleague sent you the link, they see more than you:
      ask an owner of the workspace to make you a member.</p>
    <p><button onClick=${leave}>Sign in as somebody else</button> <a href=${HOME}>See your workspaces</a></p>`;
}

function Who({ who }) {
  const name = useName(who);
  return html`
    <div class="who">
      <span title=${who.claims.sub ?? ""}>${name ?? "Signed in"}</span>
      <button class="link" onClick=${leave}>Sign out</button>
    </div>`;
}

async function start() {
  const root = document.getElementById("app");
  let problem = null;
  try {
    if (!(await returnFromIssuer())) {
      // A token lives as long as the page: the issuer, which remembers the person, gives another.
      render(html`<main class="alone"><p role="status">Going to ${settings.issuer || "no issuer"} to sign in …</p></main>`, root);
      await signIn();
      return;
    }
  } catch (error) {
    problem = error.message;
  }
  render(html`<${Fragment} />`, root);
  render(html`<${App} problem=${problem} />`, root);
}

start();
