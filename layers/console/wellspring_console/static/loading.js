// Hooks that read the API: what is known is shown at once, what is old is asked for again, what nobody waits for is
// broken off.

import { ApiError, get, isFresh, kept } from "./api.js";
import { useCallback, useEffect, useRef, useState } from "./html.js";

const POLL_MS = 30_000;

/**
 * Read one path; null reads nothing. Returns {document, error, at, isOlder, reload}: `document` is undefined until there is
 * one, `at` when it was read. With `live`, it is read again each half minute while the page is looked at.
 */
export function useDocument(path, { live = false } = {}) {
  const [, redraw] = useState(0);
  const held = useRef({ path: undefined });
  if (held.current.path !== path) {
    const known = path ? kept(path) : undefined;
    held.current = { path, document: known?.document, at: known?.at, error: undefined };
  }
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (!path || (turn === 0 && isFresh(path))) return undefined;
    const controller = new AbortController();
    const mine = held.current;
    get(path, { signal: controller.signal }).then(
      (document) => Object.assign(mine, { document, at: Date.now(), error: undefined }),
      (error) => {
        if (error.name === "AbortError") return;
        if (!(error instanceof ApiError)) throw error;
        mine.error = error;
      },
    ).finally(() => held.current === mine && redraw((count) => count + 1));
    return () => controller.abort();
  }, [path, turn]);
  const reload = useCallback(() => {
    held.current.error = undefined;
    setTurn((count) => count + 1);
  }, []);
  useLive(live && path ? reload : null);
  return { ...held.current, reload };
}

function useLive(reload) {
  useEffect(() => {
    if (!reload) return undefined;
    const look = () => document.visibilityState === "visible" && reload();
    const timer = setInterval(look, POLL_MS);
    document.addEventListener("visibilitychange", look);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", look);
    };
  }, [reload]);
}

/**
 * Read a list page by page. Returns what `useDocument` does, and `pages`, `rows`, `next` (whether there is more), `more()`,
 * `isLoadingMore`, `moreError`.
 */
export function useList(path, options) {
  const [further, setFurther] = useState({ of: undefined, path: undefined, pages: [] });
  // Reading the first page anew would take the others away from who reads them.
  const live = options?.live && further.path !== path;
  const first = useDocument(path, { live });
  const [busy, setBusy] = useState(false);
  const [moreError, setMoreError] = useState(null);
  const own = further.of === first.document ? further.pages : [];
  const pages = first.document ? [first.document, ...own] : [];
  const next = pages.at(-1)?.links?.next ?? null;
  const more = async () => {
    setBusy(true);
    setMoreError(null);
    try {
      const page = await get(next);
      setFurther({ of: first.document, path, pages: [...own, page] });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setMoreError(error);
    } finally {
      setBusy(false);
    }
  };
  return { ...first, pages, rows: pages.flatMap((page) => page.data), next, more, isLoadingMore: busy, moreError };
}

/** Several of what `useDocument` or `useList` returned, as one: it is there when all are, and as old as the oldest. */
export const together = (lists) => ({
  document: lists.every((list) => list.document) || undefined,
  error: lists.find((list) => list.error)?.error,
  at: Math.min(...lists.map((list) => list.at)),
  reload: () => lists.forEach((list) => list.reload()),
});

/**
 * Read several lists to their ends. Returns {rows, isWhole, error, reload}; what has come is there at once, and `reload` reads
 * what failed again.
 */
export function useEvery(paths) {
  const [, redraw] = useState(0);
  const [turn, setTurn] = useState(0);
  const read = useRef(new Map());
  const wanted = paths.join(" ");
  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;
    const readOne = async (path) => {
      const mine = { rows: [], isWhole: false, error: undefined };
      try {
        for (let next = path; next; ) {
          const document = await get(next, { signal });
          mine.rows = [...mine.rows, ...document.data];
          next = document.links?.next ?? null;
          mine.isWhole = !next;
        }
      } catch (error) {
        if (error.name === "AbortError") return;
        if (!(error instanceof ApiError)) throw error;
        mine.error = error;
      }
      read.current.set(path, mine);
      redraw((count) => count + 1);
    };
    for (const path of paths) if (!read.current.has(path)) readOne(path);
    return () => controller.abort();
  }, [wanted, turn]);
  const reload = useCallback(() => {
    for (const [path, one] of read.current) if (one.error) read.current.delete(path);
    setTurn((count) => count + 1);
  }, []);
  const found = paths.map((path) => read.current.get(path));
  return {
    rows: found.flatMap((one) => one?.rows ?? []),
    isWhole: found.every((one) => one?.isWhole),
    error: found.find((one) => one?.error)?.error,
    reload,
  };
}

/**
 * Do something that writes. Returns {run, submit, busy, error}: `run` does it and then `after`; an error stays until the next try.
 * `submit` is the same for a form.
 */
export function useAction(act, after) {
  const [state, setState] = useState({ busy: false, error: null });
  const run = async (...given) => {
    setState({ busy: true, error: null });
    try {
      const result = await act(...given);
      setState({ busy: false, error: null });
      await after?.(result, ...given);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setState({ busy: false, error });
    }
  };
  const submit = (event) => {
    event.preventDefault();
    run();
  };
  return { run, submit, ...state };
}

