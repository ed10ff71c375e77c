// Signing in: the Authorization Code flow with PKCE (RFC 6749, 7636, 9207). The token lives in this module's memory and
// nowhere else; what must survive the way to the issuer and back waits in sessionStorage for that way alone.

import { settings } from "./settings.js";

const WAITING = "wellspring.sign-in";
const HOME = `${location.origin}/console`;

/** What failed on the way, in words for the person. */
export class SignInError extends Error {}

let current = null;
const listeners = new Set();

/** {token, claims} of who is signed in, or null. */
export const session = () => current;

/** Call `listener` whenever somebody is signed in or out; returns what stops it. */
export function onSession(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function become(next) {
  current = next;
  for (const listener of listeners) listener();
}

/** Forget the token. The issuer still knows the person: signing in again asks it to ask. */
export const signOut = () => become(null);

/** Mark the token as one that the API no longer takes. What is on the screen stays. */
export const expire = () => {
  if (current && !current.isExpired) become({ ...current, isExpired: true });
};

/** Whether the token says that its bearer may release and dismiss what is parked. */
export const mayRelease = () => !isPerson() && isGranted("sync:write");

/** Whether the token says that its bearer may see all workspaces: an operator, or a service that reads. */
export const seesAll = () => (isPerson() ? isOperator() : isGranted("system:read"));

// As the API reads it: the value is the claim's whole text, or one of its array.
function isOperator() {
  const { operator_claim: claim, operator_value: value } = settings;
  return Boolean(claim && value) && [current?.claims[claim]].flat().includes(value);
}

// A deployment may put a prefix before its scopes.
const isGranted = (wanted) => scopes(current?.claims).some((scope) => scope.endsWith(wanted));

function scopes(claims = {}) {
  return [claims.scope, claims.scp].flat().flatMap((said) => (typeof said === "string" ? said.split(" ") : []));
}

/** Whether the bearer seems to be a person. The API decides, by more than a uuid; here it chooses words. */
export const isPerson = () => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(current?.claims[settings.person_claim] ?? "");

/** The person's id; undefined for a service. */
export const personId = () => (isPerson() ? current.claims[settings.person_claim] : undefined);

async function configuration() {
  const url = `${settings.issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
  const found = await asked(() => fetch(url, { credentials: "omit" }), "the issuer's configuration");
  if (!found.authorization_endpoint || !found.token_endpoint) throw new SignInError("The issuer does not say where to sign in.");
  return found;
}

async function asked(ask, what) {
  let answer;
  try {
    answer = await ask();
  } catch {
    throw new SignInError(`Could not reach ${what} at ${settings.issuer}.`);
  }
  const document = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    throw new SignInError(document.error_description ?? document.error ?? `Asking for ${what} was answered ${answer.status}.`);
  }
  return document;
}

/** Leave for the issuer; `again`: it shall ask who it is even if it remembers. */
export async function signIn({ again = false } = {}) {
  if (!settings.client_id) {
    throw new SignInError("This deployment has no client for the console at its issuer: ConsoleClientId is not set.");
  }
  const { authorization_endpoint: endpoint } = await configuration();
  const [verifier, state] = [random(), random()];
  const challenge = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier)));
  sessionStorage.setItem(WAITING, JSON.stringify({ verifier, state, view: location.hash }));
  const url = new URL(endpoint);
  for (const [name, value] of new URLSearchParams(settings.parameters)) url.searchParams.set(name, value);
  const sent = {
    response_type: "code",
    client_id: settings.client_id,
    redirect_uri: HOME,
    scope: settings.scope,
    state,
    code_challenge: base64url(challenge),
    code_challenge_method: "S256",
    ...(again ? { prompt: "login" } : {}),
  };
  for (const [name, value] of Object.entries(sent)) url.searchParams.set(name, value);
  location.assign(url);
}

/** Take what the issuer sent back, where this page was opened by it; returns whether somebody is signed in now. */
export async function returnFromIssuer() {
  const said = new URLSearchParams(location.search);
  if (!said.has("code") && !said.has("error")) return false;
  const waiting = JSON.parse(sessionStorage.getItem(WAITING) ?? "null");
  sessionStorage.removeItem(WAITING);
  // The code leaves the address bar before anything else happens.
  history.replaceState(null, "", `/console${waiting?.view ?? location.hash}`);
  if (!waiting || waiting.state !== said.get("state")) {
    throw new SignInError("This sign-in was not begun here, or was begun twice. Sign in again.");
  }
  if (said.has("error")) throw new SignInError(said.get("error_description") ?? said.get("error"));
  if (said.has("iss") && said.get("iss") !== settings.issuer) throw new SignInError("Another issuer answered.");
  const { token_endpoint: endpoint } = await configuration();
  const body = new URLSearchParams({
    grant_type: "authorization_code",
    code: said.get("code"),
    client_id: settings.client_id,
    redirect_uri: HOME,
    code_verifier: waiting.verifier,
  });
  const granted = await asked(() => fetch(endpoint, { method: "POST", body, credentials: "omit" }), "the token");
  if (!granted.access_token) throw new SignInError("The issuer gave no access token.");
  become({ token: granted.access_token, claims: claimsOf(granted.access_token), isExpired: false });
  return true;
}

// For words on the page only: the API reads the token by itself.
function claimsOf(token) {
  try {
    const part = token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/");
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(part), (char) => char.charCodeAt(0))));
  } catch {
    return {};
  }
}

const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));

function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}
