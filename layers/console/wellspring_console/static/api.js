// The API as the page asks it: JSON:API documents, errors with the API's own words, and nothing asked twice.

import { expire, session } from "./session.js";

const MEDIA_TYPE = "application/vnd.api+json";
// What was read a moment ago is shown at once when one comes back to it; what is older is shown and asked for again.
const FRESH_MS = 15_000;
const KEPT = 100;
// Too many requests, and a database that is away for a moment: a reader waits rather than reads of it.
const AGAIN = new Set([429, 503]);
const TRIES = 3;
const LONGEST_WAIT_MS = 4_000;

/** An answer that is none: `errors` in the API's words, `requestId` to quote. */
export class ApiError extends Error {
  constructor(status, errors, requestId) {
    super(errors[0]?.detail ?? `${status}`);
    this.status = status;
    this.errors = errors;
    this.requestId = requestId;
  }
}

/** "/v1/companies", {"filter[workspace]": id} → the path with its query; what is empty is left out. */
export function path(route, query = {}) {
  const kept = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const text = kept.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join("&");
  return text ? `${route}?${text}` : route;
}

/** The command that shows the same in a terminal. */
export function curl(of) {
  const readable = decodeURIComponent(of).replace(/["\\$`]/g, "\\$&").replace(/ /g, "%20");
  return `curl -sg -H "Authorization: Bearer $TOKEN" "${location.origin}${readable}"`;
}

const documents = new Map();

/** What is kept of a path: {document, at}; undefined where nothing is. */
export const kept = (of) => documents.get(of);
export const isFresh = (of) => Date.now() - (documents.get(of)?.at ?? 0) < FRESH_MS;

/** Forget all that was read: something has been written, or somebody else is here. */
export const forget = () => documents.clear();

/** Read a path; keeps the document. Throws ApiError, or AbortError. */
export async function get(of, { signal } = {}) {
  const document = await request("GET", of, { signal });
  documents.delete(of);
  documents.set(of, { document, at: Date.now() });
  if (documents.size > KEPT) documents.delete(documents.keys().next().value);
  return document;
}

/** Write; what was read before is forgotten. Throws ApiError. */
export async function send(method, of, body) {
  try {
    return await request(method, of, { body, key: method === "POST" ? crypto.randomUUID() : undefined });
  } finally {
    forget();
  }
}

async function request(method, of, { body, key, signal }) {
  for (let tried = 1; ; tried += 1) {
    const answer = await once(method, of, { body, key, signal });
    if (!AGAIN.has(answer.status) || tried === TRIES || method !== "GET") return understood(answer);
    await pause(waitOf(answer, tried), signal);
  }
}

async function once(method, of, { body, key, signal }) {
  const headers = { accept: MEDIA_TYPE, authorization: `Bearer ${session()?.token ?? ""}` };
  if (body !== undefined) headers["content-type"] = MEDIA_TYPE;
  if (key) headers["idempotency-key"] = key;
  try {
    return await fetch(of, { method, headers, body: body && JSON.stringify(body), signal, credentials: "omit", cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, [{ title: "The API cannot be reached", detail: "The network, or the API, is away." }], null);
  }
}

async function understood(answer) {
  const document = answer.status === 204 ? null : await read(answer);
  if (answer.ok) return document;
  if (answer.status === 401) expire();
  // API Gateway's own answers are {"message": …}.
  const errors = document?.errors ?? [{ title: document?.message ?? `Answered ${answer.status}`, detail: WORDS[answer.status] ?? "" }];
  throw new ApiError(answer.status, errors, errors[0].id ?? answer.headers.get("apigw-requestid"));
}

// The body may break off, or be no JSON where something between the API and the page answered.
async function read(answer) {
  try {
    return await answer.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    if (!answer.ok) return null;
    throw new ApiError(answer.status, [{ title: "The answer broke off", detail: "Not all of it came. Try again." }], answer.headers.get("apigw-requestid"));
  }
}

const WORDS = {
  401: "The sign-in has ended.",
  429: "More requests came than this API takes at once. Wait a moment.",
  503: "The API did not answer in time.",
};

const waitOf = (answer, tried) =>
  Math.min(Number(answer.headers.get("retry-after") ?? 0) * 1000 || 300 * 2 ** tried * (0.5 + Math.random()), LONGEST_WAIT_MS);

const pause = (milliseconds, signal) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("", "AbortError"));
    });
  });

// ---- documents ------------------------------------------------------------------------------------------------------

/** What a document includes, found by type and id. */
export function included(...documents) {
  const found = new Map();
  for (const document of documents) {
    for (const resource of document?.included ?? []) found.set(`${resource.type} ${resource.id}`, resource);
  }
  return {
    /** The resource at the end of a to-one relationship, or null; the same by several: related(row, "a", "b"). */
    related(resource, ...names) {
      let at = resource;
      for (const name of names) {
        const linked = at?.relationships?.[name]?.data;
        at = linked ? (found.get(`${linked.type} ${linked.id}`) ?? null) : null;
      }
      return at;
    },
    /** The resources at the end of a to-many relationship, those of them that are included. */
    several: (resource, name) => (resource?.relationships?.[name]?.data ?? []).map(({ type, id }) => found.get(`${type} ${id}`)).filter(Boolean),
  };
}

/** To-one relationships to write, by the ids of what they lead to: each is called as its type. */
export const linksTo = (ids) => Object.fromEntries(Object.entries(ids).map(([type, id]) => [type, { data: { type, id } }]));

/** The id at the end of a to-one relationship; null where there is none. */
export const idOf = (resource, name) => resource?.relationships?.[name]?.data?.id ?? null;
