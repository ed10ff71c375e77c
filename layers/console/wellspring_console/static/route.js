// Which view is shown is in the URL's fragment, so that it can be sent to a colleague and stays out of servers' logs:
// #/WORKSPACE/VIEW/MORE…?filters. Filters are part of it, so that "back" finds them again.

/** Read a fragment: {workspace, view, rest, query}. */
export function parse(fragment) {
  const [path, query = ""] = fragment.replace(/^#\/?/, "").split("?");
  const [workspace = "", view = "", ...rest] = path.split("/").map(decoded);
  return { workspace, view, rest, query: new URLSearchParams(query) };
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a stray % is a character like any other
  }
}

/** In the place of a workspace's id: the view is of no workspace. */
export const NO_WORKSPACE = "all";

/** The fragment of the first view: all workspaces. */
export const HOME = "#/";

/** Write a fragment; what is empty in `query` is left out. Without workspace and view it is that of all workspaces. */
export function fragment(workspace, view, rest = [], query = {}) {
  const kept = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const search = new URLSearchParams(kept).toString();
  return `#/${[workspace, view, ...rest].filter(Boolean).map(encodeURIComponent).join("/")}${search ? `?${search}` : ""}`;
}

/** Show another fragment as a step of its own, which "back" undoes. */
export const go = (to) => {
  location.hash = to;
};

/** Change filters of the view that is shown, in place: typing a word is no step to go back through. */
export function refine(changes) {
  const { workspace, view, rest, query } = parse(location.hash);
  const to = fragment(workspace, view, rest, { ...Object.fromEntries(query), ...changes });
  if (to === location.hash) return;
  history.replaceState(null, "", to);
  dispatchEvent(new HashChangeEvent("hashchange"));
}
