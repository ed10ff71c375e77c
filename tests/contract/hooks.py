"""Hooks that put right what a generator of requests cannot know, so that no check has to be lax.

Only requests that are meant to be accepted are changed.
"""

import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4
from zlib import crc32

import schemathesis
from hypothesis import strategies as st
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.openapi.checks import RejectedPositiveData

import local  # noqa: F401  (it says where the layers are)
from local.example_ids import demo_id, id_of
from wellspring.resources import ledgers

type Case = schemathesis.Case[Any]

# A generator that keeps to letters and digits in headers would never make one by itself.
schemathesis.openapi.format("entity-tags", st.sampled_from(["*", '""', '"a"', 'W/"a.b"', '"a", "b"', '"~!#" ,W/"-_"']))

# Keys of the runs before are kept for a day.
RUN = uuid4().hex

# A cursor of each list and order, as the service made it: no other text is one.
_cursors: dict[tuple[str, str], str] = {}
# The latest ETag of each resource, by its id.
_tags: dict[str, str] = {}
# The request that each Idempotency-Key stands for.
_keys: dict[str, str] = {}
# Resources of the demo to refer to; few, so that they are met again. Those of workspace c do not go with the others.
_THERE = {
    **{
        type_: (demo_id(type_, "a"), demo_id(type_, "a", 2), demo_id(type_, "c"))
        for type_ in (*ledgers(), "workspace_connector")
    },
    "workspace": tuple(demo_id("workspace", letter) for letter in "abc"),
    "workspace_group": (os.environ.get("CONTRACT_GROUP", id_of("workspace_group")),),
    "provider": tuple(demo_id("provider", "0", number) for number in range(1, 6)),
}
_RANGE = re.compile(r"filter\[\w+_at\]\[")
_OF_ALL = ("This is not for the rows of all workspaces", "The rows of all workspaces have no such order")
# A list of these has indexes for some filters together, and says for which.
_TOGETHER = ("/v1/sync-messages", "/v1/feed-events")
# The audit has an index for each of these, beside its workspace and its time.
_ONE_OF = {"/v1/audit-entries": ("filter[caller]", "filter[service]", "filter[resource]")}
# Where to say which operation was answered with what.
_seen = os.environ.get("CONTRACT_SEEN", os.devnull)
# The relationship of a document that a name of the path says already.
_SETTLED = {"id": "workspace_group", "workspace_id": "workspace"}


@schemathesis.hook
def filter_failure(
    _context: schemathesis.HookContext, failure: Failure, case: Case, response: schemathesis.Response
) -> bool:
    """Say whether a failure is one.

    What was spoilt may be written like the list of nothing, which is valid. And a service may not ask all rows that
    there are for what no index has together: whose a token is, no generator knows. Nor does it know which of an agent's
    messages is one of the header's revision. What is longer than the gateway reads (10,240 bytes of request line and
    headers) is refused before any operation is looked for: none declares it.
    """
    if response.status_code == 431:
        return False
    if isinstance(failure, RejectedPositiveData) and response.status_code == 400:
        if case.path == "/mcp":
            return False
        return not all(error.get("detail", "").startswith(_OF_ALL) for error in response.json()["errors"])
    if not isinstance(failure, AcceptedNegativeData) or case.meta is None:
        return True
    spoilt = {mutation.parameter for mutation in getattr(case.meta.phase.data, "mutations", ())}
    sent = parse_qs(urlsplit(str(response.request.url)).query, keep_blank_values=True)
    return not spoilt or any(sent.get(name or "") != [""] for name in spoilt)


@schemathesis.hook
def after_call(_context: schemathesis.HookContext, case: Case, response: schemathesis.Response) -> None:
    """Remember what only an answer can tell: cursors and entity tags; tell the test what was answered."""
    with Path(_seen).open("a") as seen:
        status = "2xx" if response.status_code < 300 else response.status_code
        seen.write(f"{case.operation.definition.raw['operationId']} {status}\n")
    if response.status_code not in {200, 201}:
        return
    if case.method == "GET" and "page[size]" in case.operation.query:
        for item in response.json()["data"]:
            _cursors[_list_of(case)] = item["meta"]["page"]["cursor"]
    # The document of the API and its page have tags, too.
    if not any(kind.startswith("application/vnd.api+json") for kind in response.headers.get("content-type", ())):
        return
    for tag in response.headers.get("etag", ()):
        _tags[response.json()["data"]["id"]] = tag


@schemathesis.hook
def before_call(_context: schemathesis.HookContext, case: Case, _kwargs: dict[str, Any]) -> None:
    """Put right what depends on requests before, and what the path says already."""
    if case.meta is not None and case.meta.generation.mode.is_positive:
        _keep_to_one_order(case)
        _ask_for_what_goes_together(case)
        _give_a_cursor(case)
        _refer_to_what_is_there(case)
        _name_the_attempt(case)
        _know_the_state(case)
        _agree_with_the_path(case)
        _end_by_now(case)


def _list_of(case: Case) -> tuple[str, str]:
    return case.path, _sort_of(case)


def _sort_of(case: Case) -> str:
    """Return the order of a list: where none is asked for, what is found by its name has that of names."""
    query: dict[str, Any] = case.query or {}
    by_name = any(name.startswith("filter[name]") for name in query)
    return str(query.get("sort", "name" if by_name else "-created_at"))


def _keep_to_one_order(case: Case) -> None:
    """A range is read in the order of its own time, a name in that of names; only what is deleted has `deleted_at`."""
    query: dict[str, Any] = case.query or {}
    if "page[size]" not in case.operation.query:
        return
    names = [name for name in query if name.startswith("filter[name]")]
    order = _sort_of(case).removeprefix("-")
    if order == "name":
        query.pop("filter[deleted]", None)
    if order == "deleted_at":
        query["filter[deleted]"] = "only"
    for name in list(query):
        if _RANGE.match(name) and not name.startswith(f"filter[{order}]"):
            del query[name]
    for name in names:
        is_of_one = "filter[workspace]" not in case.operation.query or len(_ids(query.get("filter[workspace]"))) == 1
        if order != "name" or (name == "filter[name][contains]" and not is_of_one):
            del query[name]


def _ask_for_what_goes_together(case: Case) -> None:
    """Leave out of a list's parameters what excludes the others."""
    query: dict[str, Any] = dict(case.query or {})
    if "page[size]" in case.operation.query:
        case.query = query
    # It has an order of its own, and no filter beside it.
    query.pop("filter[sole_source]", None)
    if case.path == "/v1/workspaces":
        query.pop("filter[workspace_group]", None)
    if case.path == "/v1/connector-activity":
        for name in [found for found in query if found.startswith("filter[")]:
            del query[name]
        query["filter[workspace_connector]"] = demo_id("workspace_connector", "a")
    if case.path in _TOGETHER:
        for name in [found for found in query if found.startswith("filter[") or found == "sort"]:
            del query[name]
    for name in [found for found in _ONE_OF.get(case.path, ()) if found in query][1:]:
        del query[name]
    if "last_synced_at" in str(query.get("sort")):
        del query["sort"]
    for name in [found for found in query if found.startswith("filter[last_synced_at]")]:
        del query[name]


def _ids(said: Any) -> list[str]:
    """Return what a parameter lists, once each."""
    listed = said if isinstance(said, list) else [said] if said else []
    return list(dict.fromkeys(id_ for part in listed for id_ in str(part).split(",") if id_))


def _give_a_cursor(case: Case) -> None:
    """A page is after a row or before one, and a cursor is one that the service made."""
    query = case.query or {}
    for name in ("page[before]", "page[after]"):
        if name in query:
            known = _cursors.get(_list_of(case))
            if known is None or (name == "page[before]" and "page[after]" in query):
                del query[name]
            else:
                query[name] = known


def _refer_to_what_is_there(case: Case) -> None:
    """Most of what a request refers to is there; some stays as it was made up."""
    for type_ in ("workspace", "provider"):
        path = case.path_parameters or {}
        if f"{type_}_id" in path:
            path[f"{type_}_id"] = _there(type_, path[f"{type_}_id"])
    if case.method == "POST":
        for name in _relationships(case):
            linkage = _linkage(case, name) or []
            for identifier in linkage if isinstance(linkage, list) else [linkage]:
                identifier["id"] = _there(identifier["type"], identifier["id"])


def _there(type_: str, id_: str) -> str:
    known = _THERE[type_]
    number = crc32(id_.encode())
    return id_ if id_ in known or not number % 4 else known[number // 4 % len(known)]


def _name_the_attempt(case: Case) -> None:
    """A key stands for one request: another request gets another key."""
    headers: Any = case.headers or {}
    key = headers.get("Idempotency-Key")
    if isinstance(key, str):
        request = repr((case.method, case.formatted_path, case.query, case.body))
        key = f"{key[:200]}-{RUN}"
        while _keys.setdefault(key, request) != request:
            key = f"{key[:240]}-{len(_keys)}"
        headers["Idempotency-Key"] = key


def _know_the_state(case: Case) -> None:
    """A row is changed by whoever has seen it as it is; who has not seen it keeps what was made up."""
    headers: Any = case.headers or {}
    known = _tags.get((case.path_parameters or {}).get("id", ""))
    if "If-Match" in headers and known:
        headers["If-Match"] = known


def _agree_with_the_path(case: Case) -> None:
    """A document that names what the path names names the same."""
    path, body = case.path_parameters or {}, case.body
    if case.method == "PATCH" and isinstance(body, dict):
        data: Any = body["data"]
        data["id"] = path["id"]
    for name, id_ in path.items():
        linkage = _linkage(case, _SETTLED.get(name, ""))
        if linkage is not None:
            linkage["id"] = id_


def _end_by_now(case: Case) -> None:
    """A row ends after it was made, and not in the future."""
    if case.method == "PATCH" and isinstance(case.body, dict):
        data: Any = case.body["data"]
        attributes = data.get("attributes", {})
        if attributes.get("deleted_at") is not None:
            attributes["deleted_at"] = datetime.now(UTC).isoformat()


def _relationships(case: Case) -> dict[str, Any]:
    """Return the relationships in a valid document, without the @-members among them."""
    body: Any = case.body if isinstance(case.body, dict) else {"data": {}}
    # A release is told by its `meta`.
    said: dict[str, Any] = body.get("data", {}).get("relationships", {})
    return {name: relationship for name, relationship in said.items() if not name.startswith("@")}


def _linkage(case: Case, name: str) -> Any:
    """Return the linkage of a relationship in a valid document; None where it has no such."""
    return _relationships(case).get(name, {}).get("data")
