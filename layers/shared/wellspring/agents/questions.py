"""What each tool answers: the questions of contract, section 7, and of README's table."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from wellspring.access.principal import Person
from wellspring.agents.asking import (
    MOST_CHOICES,
    Asker,
    Found,
    Object,
    Unclear,
    attributes,
    name_in,
    quoted,
    shown,
)
from wellspring.agents.tools import (
    COUNT,
    CURSOR,
    FLAG,
    OBJECT,
    OBJECTS,
    SIZE,
    TEXT,
    Answer,
    Argument,
    Arguments,
    Schema,
    Tool,
    counted,
    listed,
    told_here,
)
from wellspring.errors import InvalidCursor
from wellspring.ids import parse_id
from wellspring.jsonapi.values import parse_day
from wellspring.queries import MAX_PAGE_SIZE
from wellspring.reasons import MESSAGES
from wellspring.resources import (
    AUDIT_ENTRY,
    CONNECTOR,
    CONNECTOR_ACTIVITY,
    CONNECTOR_IMPACT,
    FLEET,
    HEALTH,
    MESSAGE_REASONS,
    OWN_WORKSPACE,
    PEOPLE,
    PROVIDER,
    RECORD_SOURCE,
    SYNC_MESSAGE,
    SYNC_RUN,
    WORKSPACE_CONNECTOR,
    WORKSPACE_GROUP,
    WORKSPACE_GROUP_MEMBERSHIP,
    WORKSPACE_PROVIDER,
    Resource,
    ledgers,
    records,
    resource_of,
)
from wellspring.services.ledger.reading import Row

USUAL_SIZE = 20
WORDS = {reason.code: reason for reason in MESSAGES}
RECORD_TYPES = tuple(found.type for found in records() if found.is_readable)
FINDABLE = (OWN_WORKSPACE.type, *RECORD_TYPES, WORKSPACE_CONNECTOR.type, CONNECTOR.type, PROVIDER.type)
# What a connector is that somebody should look at, or that has not come yet.
NOT_WELL = tuple(health for health in HEALTH if health != "ok")
# How many messages of a failure are named.
MOST_NAMED = 3
# How many members of a group are told.
MOST_MEMBERS = 50

WORKSPACE = Argument("workspace", "Its id or name; else the only one that the caller sees.")
CONNECTION = Argument("connector", "The id of a workspace connector, or the name of its tool.", required=True)

# By the kind of a declared attribute, what the value of it is.
_KINDS: Mapping[str, Schema] = {
    "boolean": FLAG,
    "count": COUNT,
    "optional_count": COUNT,
    "number": COUNT,
    "counts": OBJECT,
    "by_direction": OBJECT,
    "totals": OBJECT,
    "object": OBJECT,
    "objects": OBJECTS,
    "problems": OBJECTS,
    "texts": {"type": "array", "items": {"type": "string"}},
}


def _schemas(resource: Resource, *but: str) -> dict[str, Schema]:
    """Return what an item has of a declared type's attributes, all but some."""
    return {each.name: _KINDS.get(each.kind, TEXT) for each in resource.attributes if each.name not in but}


def _told(resource: Resource, row: Row, *but: str) -> Object:
    return attributes(resource, row, *(each.name for each in resource.attributes if each.name not in but))


def _page(arguments: Arguments, size: int = USUAL_SIZE) -> list[tuple[str, object]]:
    """Return the parameters of a page."""
    cursor = [("page[after]", arguments["cursor"])] if "cursor" in arguments else []
    return [("page[size]", arguments.get("size", size)), *cursor]


def _where(asker: Asker, arguments: Arguments) -> UUID | None:
    """Return the workspace that is said, None where none is."""
    return asker.workspace(arguments["workspace"]) if "workspace" in arguments else None


def _of_rows(found: Found, items: Sequence[Object]) -> Any:
    """Return what tells the first items of a page of which each row is one."""
    return lambda count: (list(items[:count]), found.cursor_after(count))


# ---- find -----------------------------------------------------------------------------------------------
def find(asker: Asker, arguments: Arguments) -> Answer:
    """Answer what is called so, or what there is of a type."""
    # A tool's connectors are found by its name, all else of a type by its own.
    if "name" not in arguments or arguments.get("type", WORKSPACE_CONNECTOR.type) != WORKSPACE_CONNECTOR.type:
        return _all_of(asker, arguments)
    name, workspace = arguments["name"], _where(asker, arguments)
    items: list[Object] = []
    for type_ in (arguments["type"],) if "type" in arguments else FINDABLE:
        if type_ == WORKSPACE_CONNECTOR.type:
            items += asker.connections(name, workspace)
            continue
        resource = resource_of(type_)
        # No workspace is in another.
        if parse_id(name) is None and not (workspace and resource is OWN_WORKSPACE):
            rows = asker.rows_named(resource, name, workspace)
            items += [asker.item(resource, row) for row in rows] if isinstance(rows, list) else []
    kinds = sorted({str(item["type"]).replace("_", " ") for item in items})

    def say(told: list[Object]) -> str:
        if not items:
            return f"Nothing that you see is called {quoted(name)}, or begins so."
        return f"{len(told)} found by {quoted(name)}: {', '.join(kinds)}."

    return Answer(len(items), lambda count: (items[:count], None), say)


def _all_of(asker: Asker, arguments: Arguments) -> Answer:
    """Return what there is of a type, or begins so; else the workspaces; or what one connector alone brings in."""
    resource, workspace = resource_of(arguments.get("type", OWN_WORKSPACE.type)), _where(asker, arguments)
    pairs: list[tuple[str, object]] = _page(arguments)
    if "only_from" in arguments:
        pairs.append(("filter[sole_source]", asker.connection(arguments["only_from"], workspace)))
    if "name" in arguments:
        pairs.append(("filter[name][starts]", arguments["name"]))
    if workspace and resource.relationship("workspace"):
        pairs.append(("filter[workspace]", workspace))
    if resource is WORKSPACE_CONNECTOR:
        pairs.append(("include", "connector,workspace"))
    found = asker.page(resource, pairs)
    items = [
        asker.connection_item(found, row) if resource is WORKSPACE_CONNECTOR else asker.item(resource, row)
        for row in found.rows
    ]

    def say(told: list[Object]) -> str:
        if not told and "name" in arguments:
            return f"Nothing that you see is called {quoted(arguments['name'])}, or begins so."
        first = f": {listed([each['name'] for each in told])}" if told else ""
        return f"{len(told)} of the {resource.names} told here{first}."

    return Answer(len(items), _of_rows(found, items), say, (found.link,))


# ---- where a record came from ---------------------------------------------------------------------------
def sources(asker: Asker, arguments: Arguments) -> Answer:
    """Answer where a record, or each of a type, came from and where it went."""
    if "record" not in arguments:
        return _sources_of_each(asker, arguments)
    record, id_ = asker.record(arguments["record"], arguments.get("type"), _where(asker, arguments))
    include = ("include", "workspace_connector.connector")
    found = asker.sources(record, id_, [include, *_page(arguments)])
    items = [_source(asker, found, row) for row in found.rows]

    def say(told: list[Object]) -> str:
        came = [each["connector"] for each in told if each["direction"] == "input"]
        went = [each["connector"] for each in told if each["direction"] == "output"]
        if not told:
            return f"No connector has brought in or carried out this {record.name}."
        brought = f"was brought in by {listed(came)}" if came else "was brought in by nobody told here"
        return f"The {record.name} {brought}" + (f", and sent out to {listed(went)}." if went else ".")

    return Answer(len(items), _of_rows(found, items), say, (found.link,), {"type": record.type, "id": str(id_)})


def _source(asker: Asker, found: Found, row: Row) -> Object:
    connection = found.included(WORKSPACE_CONNECTOR.type).get(str(row["workspace_connector_id"]))
    link = asker.link(WORKSPACE_CONNECTOR, connection) if connection else None
    return {**_connector_of(found, row), **_told(RECORD_SOURCE, row), "link": link}


def _connector_of(found: Found, row: Row) -> Object:
    """Return the connector that a row names, and the name of its tool where it is included; nothing of other rows."""
    if "workspace_connector_id" not in row:
        return {}
    id_ = row["workspace_connector_id"]
    connection = found.included(WORKSPACE_CONNECTOR.type).get(str(id_))
    tool = found.included(CONNECTOR.type).get(str(connection["connector_id"])) if connection else None
    return {"connector_id": str(id_) if id_ else None, "connector": name_in(CONNECTOR, tool)}


def _sources_of_each(asker: Asker, arguments: Arguments) -> Answer:
    """Return each record of a type in a workspace, with its sources."""
    record = resource_of(_type_in(arguments))
    workspace = asker.workspace(arguments.get("workspace"))
    pairs = [("filter[workspace]", workspace), ("include", "sources.workspace_connector.connector")]
    found = asker.page(record, [*pairs, *_page(arguments)])
    known = found.included(RECORD_SOURCE.type)

    shown_of = ("direction", "last_at", "live")
    items = []
    for row in found.rows:
        those = [known[str(id_)] for id_ in row["sources_ids"]]
        told = [{**_connector_of(found, each), **attributes(RECORD_SOURCE, each, *shown_of)} for each in those]
        items.append({"record_id": str(row["id"]), "record": name_in(record, row), "sources": told})

    def say(told: list[Object]) -> str:
        without = sum(not each["sources"] for each in told)
        return f"{told_here(len(told), 'record')}, each with its sources; {without} without any."

    return Answer(len(items), _of_rows(found, items), say, (found.link,), {"type": record.type})


def _type_in(arguments: Arguments) -> str:
    """Return the record type that is said. Raises `Unclear`."""
    if "type" not in arguments:
        raise Unclear(f"Say of which type: {', '.join(RECORD_TYPES)}.")
    return str(arguments["type"])


# ---- connectors of a workspace --------------------------------------------------------------------------
def connectors(asker: Asker, arguments: Arguments) -> Answer:
    """Answer which connectors a workspace has, and how each is; of all workspaces those of one health."""
    pairs: list[tuple[str, object]] = [("include", "connector,workspace,last_failure")]
    if "health" in arguments:
        pairs.append(("filter[health]", arguments["health"]))
    if "connector" in arguments:
        pairs.append(("filter[connector]", asker.named(CONNECTOR, arguments["connector"])))
    if "workspace" in arguments or "health" not in arguments or isinstance(asker.principal, Person):
        pairs.append(("filter[workspace]", asker.workspace(arguments.get("workspace"))))
    # Of one health there is an index of the newest first.
    if "health" not in arguments and arguments.get("order", "stalest") == "stalest":
        pairs.append(("sort", "last_synced_at"))
    found = asker.page(WORKSPACE_CONNECTOR, [*pairs, *_page(arguments)])
    failures = found.included(SYNC_MESSAGE.type)
    items = []
    for row in found.rows:
        failure = failures.get(str(row.get("last_failure_id")))
        items.append(
            {
                **asker.connection_item(found, row),
                **_told(WORKSPACE_CONNECTOR, row, "updated_at", "deleted_at"),
                "last_failure": failure and _reason(failure["reason"]),
            }
        )

    def say(told: list[Object]) -> str:
        if not told:
            return "No connector is told here."
        names = {health: [each["name"] for each in told if each["health"] == health] for health in NOT_WELL}
        said = [f"{health.replace('_', ' ')}: {listed(found)}" for health, found in names.items() if found]
        return f"{told_here(len(told), 'connector')}; {'; '.join(said) or 'all ok'}."

    return Answer(len(items), _of_rows(found, items), say, (found.link,))


def _reason(code: str | None) -> Object | None:
    """Return a reason with its words: what it says, and what to do."""
    words = WORDS.get(code or "")
    if words is None:
        return None
    return {"reason": words.code, "says": words.says, "advice": words.advice, "resolves_itself": words.waits}


def _tools_of(asker: Asker, workspace: UUID | None) -> dict[str, str | None]:
    """Return the names of the tools of a workspace's connectors, by the connectors' ids."""
    pairs: list[tuple[str, object]] = [("include", "connector"), ("fields[workspace_connector]", "connector")]
    within = [("filter[workspace]", workspace)] if workspace else []
    found = asker.page(WORKSPACE_CONNECTOR, [*within, *pairs, ("page[size]", MAX_PAGE_SIZE)])
    tools = found.included(CONNECTOR.type)
    return {str(row["id"]): name_in(CONNECTOR, tools.get(str(row["connector_id"]))) for row in found.rows}


# ---- what failed ----------------------------------------------------------------------------------------
def failures(asker: Asker, arguments: Arguments) -> Answer:
    """Answer what is parked, by connector and reason, and what to do about it."""
    workspace = _where(asker, arguments)
    pairs: list[tuple[str, object]] = [("filter[outcome]", "parked")]
    if "connector" in arguments:
        pairs.append(("filter[workspace_connector]", asker.connection(arguments["connector"], workspace)))
    if workspace:
        pairs.append(("filter[workspace]", workspace))
    if "reason" in arguments:
        pairs += [("filter[reason]", arguments["reason"]), ("page[total]", "true")]
    found = asker.page(SYNC_MESSAGE, [*pairs, *_page(arguments, size=MOST_FAILED)])
    names = _tools_of(asker, workspace) if found.rows else {}

    def tell(count: int) -> tuple[list[Object], str | None]:
        groups: dict[tuple[str, str], list[Row]] = {}
        for row in found.rows[:count]:
            groups.setdefault((str(row["workspace_connector_id"] or ""), str(row["reason"])), []).append(row)
        items = [_failure(asker, names.get(connector), connector, rows) for (connector, _), rows in groups.items()]
        return items, found.cursor_after(count)

    def say(told: list[Object]) -> str:
        if not told:
            return "Nothing is parked: nothing that came has failed and waits."
        messages = sum(each["messages"] for each in told)
        reasons = sorted({each["reason"] for each in told})
        return f"{told_here(messages, 'parked message')}, in {counted(len(told), 'group')}: {', '.join(reasons)}."

    return Answer(len(found.rows), tell, say, (found.link,), {"total": found.page.total})


MOST_FAILED = 100


def _failure(asker: Asker, name: str | None, connector: str, rows: Sequence[Row]) -> Object:
    newest, times = rows[0], [_told(SYNC_MESSAGE, row)["received_at"] for row in rows]
    problems = _told(SYNC_MESSAGE, newest)["problems"]
    return {
        "connector_id": connector or None,
        "connector": name,
        **(_reason(newest["reason"]) or {"reason": shown(newest["reason"])}),
        "messages": len(rows),
        "oldest": min(times),
        "newest": max(times),
        "problems": problems[:MOST_NAMED],
        "examples": [asker.link(SYNC_MESSAGE, row) for row in rows[:MOST_NAMED]],
    }


# ---- runs -----------------------------------------------------------------------------------------------
def runs(asker: Asker, arguments: Arguments) -> Answer:
    """Answer which runs came whole by the end of a day, and through when each connector is complete."""
    day = parse_day(arguments["day"]) if "day" in arguments else datetime.now(UTC).date()
    before = f"{_after(day).isoformat()}T00:00:00.000Z"
    pairs: list[tuple[str, object]] = [("filter[started_at][lt]", before), ("sort", "-started_at")]
    workspace = None
    if "connector" in arguments:
        connection = asker.connection(arguments["connector"], _where(asker, arguments))
        pairs.append(("filter[workspace_connector]", connection))
    else:
        workspace = asker.workspace(arguments.get("workspace"))
        pairs.append(("filter[workspace]", workspace))
    found = asker.page(SYNC_RUN, [*pairs, *_page(arguments, size=MOST_FAILED)])
    # The first page of a workspace also tells of connectors without a run.
    names = _tools_of(asker, workspace) if workspace else {}
    silent = names if workspace and "cursor" not in arguments else {}

    def tell(count: int) -> tuple[list[Object], str | None]:
        groups: dict[str, list[Row]] = {}
        for row in found.rows[:count]:
            groups.setdefault(str(row["workspace_connector_id"]), []).append(row)
        cursor = found.cursor_after(count)
        items = [_runs_of(asker, connector, names.get(connector), rows) for connector, rows in groups.items()]
        if cursor is None:
            without = {connector: name for connector, name in silent.items() if connector not in groups}
            items += [_runs_of(asker, connector, name, ()) for connector, name in without.items()]
        return items, cursor

    def say(told: list[Object]) -> str:
        incomplete = [each["connector"] or each["connector_id"] for each in told if not each["is_complete"]]
        until = f"the end of {day}" if "day" in arguments else "now"
        if not told:
            return f"No run began until {until}."
        if not incomplete:
            return f"The latest run until {until} came whole, for {counted(len(told), 'connector')} told here."
        return f"Until {until} not whole, or without a run: {listed(incomplete)}, of {len(told)} told here."

    return Answer(len(found.rows), tell, say, (found.link,), {"as_of": day.isoformat() if day else None})


def _after(day: date | None) -> date:
    try:
        return (day or datetime.now(UTC).date()) + timedelta(days=1)
    except OverflowError:
        return date.max


def _runs_of(asker: Asker, connector: str, name: str | None, rows: Sequence[Row]) -> Object:
    """Return what is told of a connector's runs, the latest first."""
    told = [_told(SYNC_RUN, row, "counts", *(["snapshot"] if row is not rows[0] else ())) for row in rows]
    whole = next((each for each in told if each["state"] == "complete"), None)
    latest = told[0] if told else None
    return {
        "connector_id": connector,
        "connector": name,
        "is_complete": latest is not None and latest["state"] == "complete",
        "complete_through": (whole["occurred_at"] or whole["started_at"]) if whole else None,
        "latest_run": latest,
        "runs": len(told),
        "not_complete": [each["run"] for each in told if each["state"] != "complete"][:MOST_NAMED],
        "link": asker.link(SYNC_RUN, rows[0]) if rows else None,
    }


# ---- activity -------------------------------------------------------------------------------------------
def activity(asker: Asker, arguments: Arguments) -> Answer:
    """Answer how much connectors linked and ended; or what was done, one by one."""
    if arguments.get("by") in _ONE_BY_ONE:
        return _one_by_one(asker, arguments)
    workspace = _where(asker, arguments)
    pairs: list[tuple[str, object]] = []
    names: Mapping[str, str | None] = {}
    if "connector" in arguments:
        pairs.append(("filter[workspace_connector]", asker.connection(arguments["connector"], workspace)))
    else:
        workspace = workspace or asker.workspace(None)
        pairs.append(("filter[workspace]", workspace))
        names = _tools_of(asker, workspace)
    pairs += [(f"filter[date][{end}]", arguments[name]) for name, end in _DAYS.items() if name in arguments]
    is_summed = arguments.get("by", "connector") == "connector"
    found = asker.activity([*pairs, *([("sum[by]", "connector")] if is_summed else []), *_page(arguments)])
    items = [
        {
            "connector_id": str(row["workspace_connector_id"]),
            "connector": names.get(str(row["workspace_connector_id"])),
            **_told(CONNECTOR_ACTIVITY, row),
        }
        for row in found.rows
    ]

    def say(told: list[Object]) -> str:
        if not told:
            return "Nothing was linked or ended in these days."
        linked, ended = (sum(_total(each[name]) for each in told) for name in ("linked", "ended"))
        by = counted(len(told), "connector" if is_summed else "day")
        return f"{counted(linked, 'row')} linked and {ended} ended, in {by} told here."

    return Answer(len(items), _of_rows(found, items), say, (found.link,))


_DAYS = {"from": "gte", "to": "lte"}


# By what `by` says: the instant that its days are of, and what is included.
_ONE_BY_ONE = {
    "message": ("received_at", "workspace_connector"),
    "row": ("updated_at", "workspace_connector.connector,sync_message,ended_by"),
    "caller": ("at", "caller"),
}


def _one_by_one(asker: Asker, arguments: Arguments) -> Answer:
    """Return the messages that came, the rows that were written or ended, or what callers did over HTTP."""
    by, workspace = arguments["by"], _where(asker, arguments)
    resource = {"message": SYNC_MESSAGE, "caller": AUDIT_ENTRY}.get(by) or ledgers()[_type_in(arguments)]
    at, include = _ONE_BY_ONE[by]
    pairs: list[tuple[str, object]] = [("include", include)]
    if "connector" in arguments:
        name = "resource" if by == "caller" else "workspace_connector"
        pairs.append((f"filter[{name}]", asker.connection(arguments["connector"], workspace)))
    # Who did what is told of one workspace; messages and rows of all that the caller sees, as over HTTP.
    if by == "caller":
        workspace = workspace or asker.workspace(None)
    if workspace and (by == "caller" or "connector" not in arguments):
        pairs.append(("filter[workspace]", workspace))
    if by == "row":
        pairs += [("filter[deleted]", "include"), *([("sort", at)] if "from" in arguments else [])]
    if "from" in arguments:
        pairs.append((f"filter[{at}][gte]", f"{arguments['from']}T00:00:00.000Z"))
    if "to" in arguments:
        pairs.append((f"filter[{at}][lt]", f"{_after(parse_day(arguments['to'])).isoformat()}T00:00:00.000Z"))
    pairs += _page(arguments)
    found = asker.audit(pairs) if by == "caller" else asker.page(resource, pairs)
    items = [{**_connector_of(found, row), by: _done(resource, found, row)} for row in found.rows]

    def say(told: list[Object]) -> str:
        return f"{told_here(len(told), resource.name)}."

    return Answer(len(items), _of_rows(found, items), say, (found.link,))


def _done(resource: Resource, found: Found, row: Row) -> Object:
    """Return a message without its body, a row with its messages, or an entry with its caller."""
    told = {"id": str(row["id"]), **_told(resource, row, "body", "problems")}
    if resource is SYNC_MESSAGE:
        return told
    if resource is AUDIT_ENTRY:
        caller = found.included(PEOPLE.type).get(str(row["caller_id"]))
        return {**told, "caller_id": str(caller["id"]) if caller else None, "caller": name_in(PEOPLE, caller)}
    record = resource.relationships[0].name
    messages = found.included(SYNC_MESSAGE.type)
    by = {name: messages.get(str(row[f"{name}_id"])) for name in ("sync_message", "ended_by")}
    of_message = ("message_id", "run", "received_at")
    return {
        **told,
        "type": record,
        "record_id": str(row[f"{record}_id"]),
        **{
            name: {"id": str(each["id"]), **attributes(SYNC_MESSAGE, each, *of_message)} if each else None
            for name, each in by.items()
        },
    }


def _total(by_type: Mapping[str, Mapping[str, int]]) -> int:
    return sum(sum(each.values()) for each in by_type.values())


# ---- impact ---------------------------------------------------------------------------------------------
def impact(asker: Asker, arguments: Arguments) -> Answer:
    """Answer what is lost if a connector is disconnected."""
    connection = asker.connection(arguments["connector"], _where(asker, arguments))
    row, link = asker.impact(connection)
    item = {"connector_id": str(connection), **_told(CONNECTOR_IMPACT, row)}

    def say(_told: list[Object]) -> str:
        live, sole = _total(item["live_rows"]), sum(item["sole_source"].values())
        some = f" of the {item['examined']} newest that were looked at" if item["is_capped"] else ""
        return f"{counted(live, 'live row')} would be ended; without another source: {counted(sole, 'record')}{some}."

    return Answer(1, lambda _count: ([item], None), say, (link,))


# ---- providers ------------------------------------------------------------------------------------------
def providers(asker: Asker, arguments: Arguments) -> Answer:
    """Answer what a workspace has selected, or what the catalogue has."""
    by = [
        ("filter[category]", "category"),
        ("filter[country]", "country"),
        ("filter[name][starts]", "name"),
    ]
    asked = [(parameter, arguments[name]) for parameter, name in by if name in arguments]
    if asked or arguments.get("of") == "catalogue":
        found = asker.page(PROVIDER, [*asked, *_page(arguments)])
        items = [{"id": str(row["id"]), **_provider(row), "link": asker.link(PROVIDER, row)} for row in found.rows]
        of = "of the catalogue"
    else:
        workspace = asker.workspace(arguments.get("workspace"))
        pairs = [("filter[workspace]", workspace), ("include", "provider")]
        found = asker.page(WORKSPACE_PROVIDER, [*pairs, *_page(arguments)])
        catalogue = found.included(PROVIDER.type)
        items = []
        for row in found.rows:
            provider = catalogue.get(str(row["provider_id"]))
            items.append(
                {
                    "id": str(row["provider_id"]),
                    **(_provider(provider) if provider else {}),
                    **_told(WORKSPACE_PROVIDER, row, "created_at", "updated_at", "deleted_at"),
                    "link": asker.link(WORKSPACE_PROVIDER, row),
                }
            )
        of = "that the workspace has selected or was matched to"

    def say(told: list[Object]) -> str:
        first = f": {listed([each.get('name') for each in told])}" if told else ""
        return f"{told_here(len(told), 'provider')} {of}{first}."

    return Answer(len(items), _of_rows(found, items), say, (found.link,))


_OF_PROVIDERS = ("name", "slug", "category", "countries", "skill_status")


def _provider(row: Row) -> Object:
    return attributes(PROVIDER, row, *_OF_PROVIDERS)


# ---- groups ---------------------------------------------------------------------------------------------
def groups(asker: Asker, arguments: Arguments) -> Answer:
    """Answer which workspaces share a group, and who its members are."""
    if "group" in arguments:
        return _group(asker, _named_group(asker, arguments["group"]), arguments)
    workspace = _where(asker, arguments)
    found = asker.page(WORKSPACE_GROUP, [("include", "workspaces"), *_page(arguments)])
    workspaces = found.included(OWN_WORKSPACE.type)
    rows = [row for row in found.rows if workspace is None or workspace in _ids(row["workspaces_ids"])]
    cut = rows if workspace else found.rows
    items = [
        {
            "id": str(row["id"]),
            **attributes(WORKSPACE_GROUP, row, "name"),
            "workspaces": [
                name_in(OWN_WORKSPACE, workspaces.get(str(id_))) or str(id_)
                for id_ in row["workspaces_ids"][:MOST_CHOICES]
            ],
            "workspaces_in_all": len(row["workspaces_ids"]),
            "link": asker.link(WORKSPACE_GROUP, row),
        }
        for row in cut
    ]

    def tell(count: int) -> tuple[list[Object], str | None]:
        if workspace is None:
            return items[:count], found.cursor_after(count)
        # Of those that were looked at some are left out; what is behind them is another page.
        return items[:count], found.cursor_after(len(found.rows)) if count >= len(items) else None

    def say(told: list[Object]) -> str:
        if not told:
            return "No group of yours is told here" + (" that has this workspace." if workspace else ".")
        return f"{told_here(len(told), 'group')}: {listed([each['name'] for each in told])}."

    return Answer(len(items), tell, say, (found.link,))


def _ids(values: Sequence[object]) -> set[UUID]:
    return {UUID(str(value)) for value in values}


def _named_group(asker: Asker, said: str) -> UUID:
    """Return the group that an id or a name means: a group is found among the caller's own. Raises `Unclear`."""
    id_ = parse_id(said)
    if id_ is not None:
        return id_
    found = asker.page(WORKSPACE_GROUP, [("page[size]", MAX_PAGE_SIZE)])
    rows = [row for row in found.rows if str(row["name"]).casefold().startswith(said.casefold())]
    exact = [row for row in rows if str(row["name"]).casefold() == said.casefold()]
    rows = exact or rows
    if len(rows) == 1:
        return UUID(str(rows[0]["id"]))
    if not rows:
        raise Unclear(f"No group of yours is called {quoted(said)}.")
    choices = [asker.item(WORKSPACE_GROUP, row) for row in rows[:MOST_CHOICES]]
    raise Unclear(f"{quoted(said)} may be one of several groups: say which, by its id.", choices)


def _group(asker: Asker, id_: UUID, arguments: Arguments) -> Answer:
    """Return the workspaces of a group, and its members beside them."""
    found = asker.page(OWN_WORKSPACE, [("filter[workspace_group]", id_), *_page(arguments)])
    pairs = [("filter[workspace_group]", id_), ("include", "people"), ("page[size]", MOST_MEMBERS)]
    members = asker.page(WORKSPACE_GROUP_MEMBERSHIP, pairs)
    people = members.included(PEOPLE.type)
    told_members = [
        {
            "id": str(row["people_id"]),
            "name": name_in(PEOPLE, people.get(str(row["people_id"]))),
            **attributes(WORKSPACE_GROUP_MEMBERSHIP, row, "role", "status"),
        }
        for row in members.rows
    ]
    items = [asker.item(OWN_WORKSPACE, row) for row in found.rows]

    def say(told: list[Object]) -> str:
        more = "at least " if members.page.more_after else ""
        if not told and not told_members:
            return "There is no such group among yours, or nothing is in it."
        members_told = f"{more}{counted(len(told_members), 'member')}"
        return f"{told_here(len(told), 'workspace')} of the group, which has {members_told}."

    def tell(count: int) -> tuple[list[Object], str | None]:
        return items[:count], found.cursor_after(count)

    return Answer(len(items), tell, say, (found.link, members.link), {"members": told_members})


# ---- all workspaces -------------------------------------------------------------------------------------
def fleet(asker: Asker, arguments: Arguments) -> Answer:
    """Answer how all connectors are, the tools first of which most are ill."""
    row, link = asker.fleet()
    whole = attributes(FLEET, row)
    first = _place(arguments.get("cursor", "0"))
    tools = whole.pop("tools")
    items = [
        {
            "id": tool["connector"],
            "name": tool["name"],
            "number": tool["number"],
            "by_health": {health: tool[health] for health in HEALTH if tool[health]},
        }
        for tool in tools[first : first + arguments.get("size", USUAL_SIZE)]
    ]

    def tell(count: int) -> tuple[list[Object], str | None]:
        behind = first + count
        return items[:count], str(behind) if behind < len(tools) else None

    def say(_told: list[Object]) -> str:
        if whole["as_of"] is None:
            return "Nothing has been counted yet: it is each minute."
        numbers = {each["health"]: each["number"] for each in whole["connectors"] if each["number"]}
        said = ", ".join(f"{number} {health.replace('_', ' ')}" for health, number in numbers.items())
        parked = sum(each["number"] for each in whole["parked"])
        silent = " Most that were due have not come: no customer's fault, nor a tool's." if whole["is_silent"] else ""
        return (
            f"{counted(sum(numbers.values()), 'connector')}{f' ({said})' if said else ''}, "
            f"{counted(parked, 'parked message')}, {counted(whole['runs_incomplete'], 'incomplete run')}.{silent}"
        )

    return Answer(len(items), tell, say, (link,), whole)


def _place(cursor: str) -> int:
    if not cursor.isdecimal() or len(cursor) > MOST_DIGITS:
        raise InvalidCursor("The cursor must be an answer's next_cursor.")
    return int(cursor)


MOST_DIGITS = 6


# ---- what there is --------------------------------------------------------------------------------------
_WITH_CONNECTOR = {"connector_id": TEXT, "connector": TEXT}
_NAMED = {"id": TEXT, "name": TEXT, "link": TEXT}
TOOLS = (
    Tool(
        "find",
        "What is called so?",
        "Finds workspaces, companies, people, accounts, connectors and providers by name, or by its beginning; without "
        "a name all of a type, else the caller's workspaces.",
        (
            Argument("name", "The name, or how it begins."),
            Argument("type", "Only of this type.", choices=FINDABLE),
            Argument("only_from", "Without a name: records that only this connector brings in."),
            WORKSPACE,
            CURSOR,
            SIZE,
        ),
        {**_NAMED, "type": TEXT, "workspace": TEXT, "workspace_id": TEXT},
        find,
    ),
    Tool(
        "sources",
        "Where did this record come from, where did it go?",
        "Which connectors brought a company, person or account in (input) or carried it out (output), and when.",
        (
            Argument("record", "Its id or name; without it each record of a type."),
            Argument("type", "Its type, where another has the name, too.", choices=RECORD_TYPES),
            WORKSPACE,
            CURSOR,
            SIZE,
        ),
        {
            "record_id": TEXT,
            "record": TEXT,
            "sources": OBJECTS,
            **_WITH_CONNECTOR,
            **_schemas(RECORD_SOURCE),
            "link": TEXT,
        },
        sources,
        {"type": TEXT, "id": TEXT},
    ),
    Tool(
        "connectors",
        "Is each connector of a workspace well?",
        "The connectors of a workspace, the stalest first: health, its reasons, last sync, change and failure. "
        "Services and operators ask for one health in all workspaces, too.",
        (
            WORKSPACE,
            Argument("health", "Only those that are so.", choices=HEALTH),
            Argument("connector", "Only of this tool: its id or name."),
            Argument("order", "What comes first.", choices=("stalest", "newest")),
            CURSOR,
            SIZE,
        ),
        {
            **_NAMED,
            **dict.fromkeys(("type", "workspace"), TEXT),
            **_schemas(WORKSPACE_CONNECTOR, "updated_at", "deleted_at"),
            "last_failure": OBJECT,
        },
        connectors,
    ),
    Tool(
        "failures",
        "What failed, and what is to be done?",
        "Parked messages of syncs, grouped by connector and reason, with what each reason means and what to do.",
        (
            Argument("workspace", "Its id or name; all that the caller sees where it is not said."),
            Argument("connector", "The id of a workspace connector, or the name of its tool."),
            Argument("reason", "Only for this reason.", choices=MESSAGE_REASONS),
            CURSOR,
            SIZE,
        ),
        {
            **_WITH_CONNECTOR,
            **dict.fromkeys(("reason", "says", "advice", "oldest", "newest"), TEXT),
            "resolves_itself": FLAG,
            "messages": COUNT,
            "problems": OBJECTS,
            "examples": {"type": "array"},
        },
        failures,
        {"total": COUNT},
    ),
    Tool(
        "runs",
        "Were the sources complete as of a day?",
        "For each connector: whether its latest run begun by the end of the day came whole, as known now, and through "
        "when it is complete. A connector without any run has none that is complete.",
        (
            WORKSPACE,
            Argument("connector", "Only this one: its id, or the name of its tool."),
            Argument("day", "A day of UTC such as 2026-05-31; today where it is not said.", kind="day"),
            CURSOR,
            SIZE,
        ),
        {
            **_WITH_CONNECTOR,
            "is_complete": FLAG,
            "complete_through": TEXT,
            "latest_run": OBJECT,
            "runs": COUNT,
            "not_complete": {"type": "array"},
            "link": TEXT,
        },
        runs,
        {"as_of": TEXT},
    ),
    Tool(
        "activity",
        "How much did connectors bring in and carry out, and who did what?",
        "Rows linked and ended by record type and direction, of one connector or of a workspace's, in up to 400 days; "
        "or one by one: messages that came, rows with the messages that wrote and ended them, what callers did.",
        (
            WORKSPACE,
            Argument("connector", "Only this one: its id, or the name of its tool."),
            Argument("from", "The first day of UTC.", kind="day"),
            Argument("to", "The last day of UTC.", kind="day"),
            Argument("by", "What each item is; connectors if not said.", choices=("connector", "day", *_ONE_BY_ONE)),
            Argument("type", "By row: of which records.", choices=RECORD_TYPES),
            CURSOR,
            SIZE,
        ),
        {**_WITH_CONNECTOR, **_schemas(CONNECTOR_ACTIVITY), **dict.fromkeys(_ONE_BY_ONE, OBJECT)},
        activity,
    ),
    Tool(
        "impact",
        "What is lost if a connector is disconnected?",
        "The live rows of a connector, and how many of its records no other connector brings in. Disconnects nothing.",
        (CONNECTION, WORKSPACE),
        {"connector_id": TEXT, **_schemas(CONNECTOR_IMPACT)},
        impact,
    ),
    Tool(
        "providers",
        "Which providers are there, which are selected?",
        "What a workspace has selected or was matched to; with category, country or name, what the catalogue has.",
        (
            WORKSPACE,
            Argument("of", "What is asked for.", choices=("workspace", "catalogue")),
            Argument("category", "A category of the catalogue, such as banking."),
            Argument("country", "A code of ISO 3166-1 alpha-2, such as FR."),
            Argument("name", "How the provider's name begins."),
            CURSOR,
            SIZE,
        ),
        {
            **_NAMED,
            **{name: schema for name, schema in _schemas(PROVIDER).items() if name in _OF_PROVIDERS},
            **_schemas(WORKSPACE_PROVIDER, "created_at", "updated_at", "deleted_at"),
        },
        providers,
    ),
    Tool(
        "groups",
        "Who shares a group?",
        "The caller's groups and the workspaces in each; of one group its workspaces and members.",
        (
            Argument("group", "Its id or name."),
            Argument("workspace", "Only groups with it: its id or name."),
            CURSOR,
            SIZE,
        ),
        {**_NAMED, "type": TEXT, "workspaces": {"type": "array"}, "workspaces_in_all": COUNT},
        groups,
        {"members": OBJECTS},
    ),
    Tool(
        "fleet",
        "Is it one customer, one tool, or all of us?",
        "All workspaces: connectors by health, in all and by tool, what is parked, runs that are incomplete. "
        "For services and operators.",
        (CURSOR, SIZE),
        {"id": TEXT, "name": TEXT, "number": COUNT, "by_health": OBJECT},
        fleet,
        {name: schema for name, schema in _schemas(FLEET).items() if name != "tools"},
    ),
)
BY_NAME = {tool.name: tool for tool in TOOLS}
