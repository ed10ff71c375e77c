"""Descriptions in the document, in whole sentences."""

from collections.abc import Mapping

from wellspring.jsonapi.body import MAX_BODY_BYTES
from wellspring.jsonapi.values import CURSOR_PAGINATION, MEDIA_TYPE
from wellspring.queries import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, MAX_TOTAL, MOST_RELEASED
from wellspring.resources import Policy

DESCRIPTION = f"""\
The ledger of connections: for every bank account, company and person, which connector brought the record in or carried
it out, and when; which workspaces belong to which group; which providers a workspace has chosen.
It is [JSON:API 1.1](https://jsonapi.org/format/1.1/): clients of that standard work unchanged.

**Who calls.** Send `Authorization: Bearer <JWT>`. Where the token proves that a program calls, the caller is a service,
which may do what its `scope` says (`system:read`, `sync:write`, `providers:match`). Else it is the person whose id the
token holds, in the claim that this deployment reads, and who sees the workspaces they are an active member of, directly
or through a group; a token that does neither is 401. What the caller may not see does not exist: 404, and absent from
lists. Without a valid token the gateway itself answers 401 as `application/json`.

**Media type.** Documents are `{MEDIA_TYPE}`, in requests (else 415) and in answers (406 if `Accept` rules it out).

**Lists** have pages of {DEFAULT_PAGE_SIZE} rows, at most {MAX_PAGE_SIZE}, newest first. Follow `links.next` until it
is null; a walk by `created_at` meets every row that stays live exactly once, whatever is written meanwhile. This is
the [cursor-pagination profile]({CURSOR_PAGINATION}).
A parameter that takes a list has its values separated by commas, or is repeated. One that is unknown or malformed, or
takes one value and is given twice, is 400, which names what there is instead; none is ever ignored.

**Errors** are JSON:API error objects, all problems of a request in one answer. Decide by `code`; quote `id` when you
ask us. `source` names the part at fault. Problems of different kinds in one document answer 400 together. 503 with
`Retry-After`: nothing was changed, try again. 503 without it: the change may have been made; look first. A list that
takes too long to read is 400, and says how to ask for less.

**Safe retries.** Give a `POST` an `Idempotency-Key`: for 24 hours the same request with it gets the first answer again.

**Safe changes.** One resource comes with an `ETag`. Send it as `If-Match` with `PATCH` and `DELETE`: 412 if somebody
was faster. Send it as `If-None-Match` with `GET`: 304 if nothing changed.

**Reads that may be older.** Where the deployment has readers, the answer to a write has a `Consistency-Token`. A `GET`
that sends one may be answered by a reader, which then shows that write and all before it; with `0` it may show an older
state. Without the header a read shows all that was written.

**Limits.** A request document has at most {MAX_BODY_BYTES} bytes. Times are ISO 8601; answers are in UTC with
milliseconds.

**HEAD.** What answers `GET` answers `HEAD` with the same status and headers and no content.

**Other paths.** What matches none of the paths below is answered, to a caller with a token, by
`DefaultNotFound` (404), `DefaultMethodNotAllowed` (405 with `Allow`: the path exists for other methods) or
`DefaultPermanentRedirect` (308: a slash too many at the end), which stand among the components.
"""

SIGNING_IN = """\
An access token (a JWT) of the issuer that this deployment trusts, for its audience: for a person from their sign-in,
for a service by the client-credentials grant. On a laptop `make token AS=owner` prints one; `AS` may also be `member`,
`guest`, `outsider`, `operator`, `pipeline` or `matcher`. Paste it with or without `Bearer` in front.
"""

AGENTS = (
    "A Model Context Protocol server: stateless Streamable HTTP with JSON answers, in its revisions 2026-07-28 and "
    "2025-11-25. Its tools only read, and show what their caller may see over HTTP. docs/agents.md tells how to "
    "connect a client; who writes one by hand finds the messages in the protocol's specification."
)

TAGS: Mapping[Policy, str] = {
    "provenance": "Which connectors brought a record in (`input`) or carried it out (`output`).",
    "enrolment": "Which workspaces belong to which group, and who enrolled them.",
    "selection": "Which providers of the catalogue a workspace has selected, or was matched to.",
    "group": "Groups of workspaces.",
    "member": "Who belongs to which group, and as what.",
    "message": "What syncs brought: each message of the sync queue, what it did, or why it waits.",
    "run": "Whether a sync came whole, and what its snapshot ended.",
    "audit": "Who did what over HTTP; for owners and admins of a workspace, and for services.",
    "feed": "What the platform's feed brought that waits or is parked, and how far it is; for services.",
    "fleet": "All workspaces at a glance; for services and operators.",
    "none": "The service itself.",
}

_READ = "A person sees what belongs to their workspaces and groups; a service needs `system:read`."
_PERMISSIONS: Mapping[tuple[str, str], str] = {
    ("provenance", "create"): "For services with `sync:write`. Record and connector must live in one workspace.",
    ("provenance", "update"): (
        "For services with `sync:write`: a time in `deleted_at` tombstones, null restores. A time before `created_at`, "
        "or in the future of the database's clock, is 422."
    ),
    ("provenance", "delete"): "For services with `sync:write`. The row is tombstoned; a second time it is 404.",
    ("enrolment", "create"): (
        "For an owner or admin of the group who is also an owner or admin of the workspace, which it opens to the "
        "group. "
        "A pair that is enrolled already is 409; one that was withdrawn is enrolled again as a new row."
    ),
    ("enrolment", "update"): "Nobody may: an enrolment is never changed. Withdraw it and enrol again.",
    ("enrolment", "delete"): "For an owner or admin of the group or of the workspace. The row stays as history.",
    ("selection", "create"): (
        "For an owner, admin or member of the workspace, who selects by it unless the document says otherwise, and for "
        "services with `providers:match`, which say `is_matched` only. Makes the row or changes the live one there is. "
        "What is selected is matched."
    ),
    ("selection", "update"): (
        "For an owner, admin or member of the workspace, and for services with `providers:match`, which say "
        "`is_matched` only. A selected provider cannot be unmatched: 409."
    ),
    ("selection", "delete"): "For an owner, admin or member of the workspace. Selecting again makes a new row.",
    ("group", "create"): (
        "For any person, who becomes its owner. The workspaces named are enrolled with it, all or none; the caller "
        "must be an owner or admin of each."
    ),
    ("group", "update"): "For an owner or admin of the group.",
    ("group", "delete"): "For an owner of the group. Its enrolments and memberships end with it, all or none.",
    ("member", "list"): "A person sees the members of the groups in which they are one; a service needs `system:read`.",
    ("member", "create"): (
        "For an owner or admin of the group, for people whom they see, and for no role above their own. Somebody who "
        "is a member already is 409."
    ),
    ("member", "update"): (
        "For an owner or admin of the group; nobody changes somebody who is more than they are, or makes them more. "
        "The last owner stays one: 409."
    ),
    (
        "member",
        "delete",
    ): "For an owner or admin of the group who is no less, and for the member. The last owner stays: 409.",
    ("message", "list"): (
        f"{_READ} To a person what is another tenant's looks like an unknown record. Of each there are 5 problems, and "
        "its body never."
    ),
    ("message", "retrieve"): f"{_READ} With all problems, and for a service with its body while that is kept.",
    ("message", "release"): (
        "For services with `sync:write`. The message is tried again, and shown as it is then: `applied`, or still "
        "`parked` with its reason. One that was overtaken since it came is 409 `OVERTAKEN`: it is sent anew, with a "
        "new id."
    ),
    ("message", "dismiss"): (
        "For services with `sync:write`. The message is not tried again; where it is sent again, it is done at once."
    ),
    ("message", "release_many"): (
        f"For services with `sync:write`. Tries the oldest {MOST_RELEASED} messages again of a connector that are "
        "parked for one reason, as far as there is time; `dry_run` only counts them."
    ),
    ("run", "list"): f"{_READ} Of all workspaces a service lists them by their start, and filters by one state.",
    ("run", "retrieve"): _READ,
    ("feed", "list"): (
        "For services with `system:read`. One that waited and was applied is not kept. Beside a range of `received_at` "
        "there are `filter[outcome]`, alone or with `filter[reason]` or `filter[source]`, and `filter[subject]`."
    ),
    ("feed", "retrieve"): "For services with `system:read`.",
    ("feed", "status"): (
        "For services with `system:read`. `lag_seconds` is how long the oldest event that waits has waited. `waiting` "
        f"and `parked` are counted up to {MAX_TOTAL}."
    ),
    ("fleet", "status"): (
        "For services with `system:read`, and for operators. It is counted each minute, at `as_of`. Messages and runs "
        f"are counted up to {MAX_TOTAL} of each, and the 500 tools with most connectors that fail, are late or lack a "
        "consent are told. A `disconnected` connector is one that its last message disconnected."
    ),
    ("feed", "release"): (
        "For services with `sync:write`. The event is tried again, and shown as it is then: `applied`, or still "
        "`parked` with its reason."
    ),
    ("feed", "dismiss"): (
        "For services with `sync:write`. The event is not tried again; one like it that is sent anew is done at once."
    ),
    ("feed", "release_many"): (
        f"For services with `sync:write`. Tries the oldest {MOST_RELEASED} events again that a source sent and that "
        "are parked for one reason; `dry_run` only counts them."
    ),
    ("group", "list"): "A person sees the groups in which they are an active member; a service needs `system:read`.",
}


_OF_FUNCTIONS: Mapping[str, str] = {
    "workspace.list_providers": " `provider` is included unless `include` says otherwise.",
}


def permission(policy: Policy, operation: str, function: str) -> str:
    """Return who may do an operation, and what is to be known of it."""
    return _PERMISSIONS.get((policy, operation), _READ) + _OF_FUNCTIONS.get(function, "")
