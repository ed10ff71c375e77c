"""Tools and their answers: the questions of contract, section 7, and of README's table."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from uuid import UUID

from wellspring.access.principal import Person
from wellspring.agents.asking import (
    MOST_CHOICES,
    USUAL_SIZE,
    Asker,
    Object,
    PageRead,
    Unclear,
    attributes,
    name_in,
    quoted,
    shown,
)
from wellspring.agents.tools import Argument, ToolResult, fields, tool
from wellspring.database.flush import Row
from wellspring.errors import InvalidCursor
from wellspring.ids import parse_id
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
from wellspring.services import answers
from wellspring.services.operators import Reading

# Of messages and runs, several of which are one item.
USUAL_GROUPED = 100
# How many messages or runs of a connector are named, and how many things in a sentence.
MOST_NAMED = 3
# How many members of a group are told.
MOST_MEMBERS = 50
# Of a cursor of the fleet.
MOST_DIGITS = 6

WORDS = {reason.code: reason for reason in MESSAGES}
RECORD_TYPES = tuple(found.type for found in records() if found.is_readable)
FINDABLE = (OWN_WORKSPACE.type, *RECORD_TYPES, WORKSPACE_CONNECTOR.type, CONNECTOR.type, PROVIDER.type)
# What a connector is that somebody should look at, or that has not come yet.
NOT_WELL = tuple(health for health in HEALTH if health != "ok")
# What is told of neither a connector nor a selection.
_UNTOLD = ("updated_at", "deleted_at")
_OF_PROVIDERS = ("name", "slug", "category", "countries", "skill_status")
# By what `by` says: what each item is, a row where it is None; the instant that days are of; and what is included.
_ONE_BY_ONE: Mapping[str, tuple[Resource | None, str, str]] = {
    "message": (SYNC_MESSAGE, "received_at", "workspace_connector"),
    "row": (None, "updated_at", "workspace_connector.connector,sync_message,ended_by"),
    "caller": (AUDIT_ENTRY, "at", "caller"),
}

WORKSPACE = Argument("workspace", "Its id or name; else the only one that the caller sees.")
ONE = Argument("connector", "Only this one: its id, or the name of its tool.")


def _type_in(asker: Asker) -> str:
    """Return the record type that is said. Raises `Unclear`."""
    if "type" not in asker.arguments:
        raise Unclear(f"Say of which type: {', '.join(RECORD_TYPES)}.")
    return str(asker.arguments["type"])


def _connector_of(found: PageRead, row: Row) -> Object:
    """Return the connector that a row names, and the name of its tool where it is included; nothing of other rows."""
    if "workspace_connector_id" not in row:
        return {}
    id_ = row["workspace_connector_id"]
    connection = found.included(WORKSPACE_CONNECTOR, id_)
    tool = found.name_of(CONNECTOR, connection["connector_id"]) if connection else None
    return {"connector_id": str(id_) if id_ else None, "connector": tool}


def _tools_of(asker: Asker, workspace: UUID | None) -> dict[str, str | None]:
    """Return the names of the tools of a workspace's connectors, by the connectors' ids."""
    asked = {"filter[workspace]": workspace, "include": "connector", "fields[workspace_connector]": "connector"}
    found = asker.page(WORKSPACE_CONNECTOR, {**asked, "page[size]": MAX_PAGE_SIZE})
    return {str(row["id"]): found.name_of(CONNECTOR, row["connector_id"]) for row in found.rows}


def _reason(code: str | None) -> Object | None:
    """Return a reason with its words: what it says, and what to do."""
    words = WORDS.get(code or "")
    if words is None:
        return None
    return {"reason": words.code, "says": words.says, "advice": words.advice, "resolves_itself": words.waits}


def counted(count: int, name: str) -> str:
    """Return a number of things in words."""
    return f"{count} {name}" if count == 1 else f"{count or 'no'} {name}s"


def told_here(count: int, name: str) -> str:
    """Return how many things an answer tells of: it may be a page of more."""
    return f"{counted(count, name)} {'is' if count == 1 else 'are'} told here"


def listed(names: Sequence[object]) -> str:
    """Return some names as a sentence has them, each quoted."""
    told = ", ".join(quoted(name) for name in names[:MOST_NAMED])
    return f"{told} and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else told


def _named(told: list[Object]) -> str:
    return f": {listed([each.get('name') for each in told])}" if told else ""


def _total(by_type: Mapping[str, Mapping[str, int]]) -> int:
    return sum(sum(each.values()) for each in by_type.values())


def _end_of(day: date) -> str:
    """Return the instant at which a day ends; of the calendar's last day that at which it begins."""
    return f"{min(day, date.max - timedelta(days=1)) + timedelta(days=1)}T00:00:00.000Z"


@tool(
    "What is called so?",
    "Finds workspaces, companies, people, accounts, connectors and providers by name, or by its beginning; without "
    "a name all of a type, else the caller's workspaces.",
    Argument("name", "The name, or how it begins."),
    Argument("type", "Only of this type.", choices=FINDABLE),
    Argument("only_from", "Without a name: records that only this connector brings in."),
    WORKSPACE,
    items=fields("id name link type workspace workspace_id"),
)
def _find(asker: Asker) -> ToolResult:
    name, type_ = asker.arguments.get("name"), asker.arguments.get("type")
    # A tool's connectors are found by its name, all else of a type by its own.
    if name is None or type_ not in {None, WORKSPACE_CONNECTOR.type}:
        return _all_of(asker)
    workspace = asker.within
    items: list[Object] = []
    # An id is nothing's name.
    for resource in () if parse_id(name) else map(resource_of, [type_] if type_ else FINDABLE):
        if resource is WORKSPACE_CONNECTOR:
            items += asker.connections(name, workspace)
        # No workspace is in another.
        elif not (workspace and resource is OWN_WORKSPACE):
            items += asker.items_named(resource, name, workspace)
    kinds = sorted({str(item["type"]).replace("_", " ") for item in items})

    def say(told: list[Object]) -> str:
        return f"{len(told)} found by {quoted(name)}: {', '.join(kinds)}." if items else _nothing(name)

    return ToolResult(len(items), lambda count: (items[:count], None), say)


def _all_of(asker: Asker) -> ToolResult:
    """Return what there is of a type, or begins so; else the workspaces; or what one connector alone brings in."""
    resource, name = resource_of(asker.arguments.get("type", OWN_WORKSPACE.type)), asker.arguments.get("name")
    workspace = asker.within
    asked = {
        **asker.paging(),
        "filter[sole_source]": asker.connection("only_from"),
        "filter[name][starts]": name,
        "filter[workspace]": workspace if resource.relationship("workspace") else None,
        "include": "connector,workspace" if resource is WORKSPACE_CONNECTOR else None,
    }
    found = asker.page(resource, asked)

    def say(told: list[Object]) -> str:
        if not told and name is not None:
            return _nothing(name)
        return f"{len(told)} of the {resource.names} told here{_named(told)}."

    return ToolResult.of_page(found, partial(asker.item, found), say)


def _nothing(name: str) -> str:
    return f"Nothing that you see is called {quoted(name)}, or begins so."


@tool(
    "Where did this record come from, where did it go?",
    "Which connectors brought a company, person or account in (input) or carried it out (output), and when.",
    Argument("record", "Its id or name; without it each record of a type."),
    Argument("type", "Its type, where another has the name, too.", choices=RECORD_TYPES),
    WORKSPACE,
    items=fields("record_id record sources:objects connector_id connector", RECORD_SOURCE, "link"),
    more=fields("type id"),
)
def _sources(asker: Asker) -> ToolResult:
    if "record" not in asker.arguments:
        return _sources_of_each(asker)
    record, id_ = asker.record()
    found = asker.sources(record, id_, {"include": "workspace_connector.connector", **asker.paging()})

    def item(row: Row) -> Object:
        connection = found.included(WORKSPACE_CONNECTOR, row["workspace_connector_id"])
        link = asker.link(WORKSPACE_CONNECTOR, connection) if connection else None
        return {**_connector_of(found, row), **attributes(RECORD_SOURCE, row), "link": link}

    def say(told: list[Object]) -> str:
        came = [each["connector"] for each in told if each["direction"] == "input"]
        went = [each["connector"] for each in told if each["direction"] == "output"]
        if not told:
            return f"No connector has brought in or carried out this {record.name}."
        brought = f"was brought in by {listed(came)}" if came else "was brought in by nobody told here"
        return f"The {record.name} {brought}" + (f", and sent out to {listed(went)}." if went else ".")

    return ToolResult.of_page(found, item, say, type=record.type, id=str(id_))


def _sources_of_each(asker: Asker) -> ToolResult:
    """Return each record of a type in a workspace, with its sources."""
    record = resource_of(_type_in(asker))
    include = "sources.workspace_connector.connector"
    found = asker.page(record, {"filter[workspace]": asker.workspace, "include": include, **asker.paging()})

    def item(row: Row) -> Object:
        told = [
            {**_connector_of(found, each), **attributes(RECORD_SOURCE, each, "direction", "last_at", "live")}
            for each in filter(None, (found.included(RECORD_SOURCE, id_) for id_ in row["sources_ids"]))
        ]
        return {"record_id": str(row["id"]), "record": name_in(record, row), "sources": told}

    def say(told: list[Object]) -> str:
        without = sum(not each["sources"] for each in told)
        return f"{told_here(len(told), 'record')}, each with its sources; {without} without any."

    return ToolResult.of_page(found, item, say, type=record.type)


@tool(
    "Is each connector of a workspace well?",
    "The connectors of a workspace, the stalest first: health, its reasons, last sync, change and failure. "
    "Services and operators ask for one health in all workspaces, too.",
    WORKSPACE,
    Argument("health", "Only those that are so.", choices=HEALTH),
    Argument("connector", "Only of this tool: its id or name."),
    Argument("order", "What comes first.", choices=("stalest", "newest")),
    items=fields("id name link type workspace", WORKSPACE_CONNECTOR, "last_failure:object", but=_UNTOLD),
)
def _connectors(asker: Asker) -> ToolResult:
    health, name = asker.arguments.get("health"), asker.arguments.get("connector")
    is_within = "workspace" in asker.arguments or health is None or isinstance(asker.principal, Person)
    # Of one health there is an index of the newest first.
    is_stalest = health is None and asker.arguments.get("order", "stalest") == "stalest"
    asked = {
        "include": "connector,workspace,last_failure",
        "filter[health]": health,
        "filter[connector]": asker.named(CONNECTOR, name) if name else None,
        "filter[workspace]": asker.workspace if is_within else None,
        "sort": "last_synced_at" if is_stalest else None,
        **asker.paging(),
    }
    found = asker.page(WORKSPACE_CONNECTOR, asked)

    def item(row: Row) -> Object:
        failure = found.included(SYNC_MESSAGE, row.get("last_failure_id"))
        told = {**asker.item(found, row), **attributes(WORKSPACE_CONNECTOR, row, but=_UNTOLD)}
        return {**told, "last_failure": _reason(failure["reason"]) if failure else None}

    def say(told: list[Object]) -> str:
        if not told:
            return "No connector is told here."
        names = {health: [each["name"] for each in told if each["health"] == health] for health in NOT_WELL}
        summary = [f"{health.replace('_', ' ')}: {listed(found)}" for health, found in names.items() if found]
        return f"{told_here(len(told), 'connector')}; {'; '.join(summary) or 'all ok'}."

    return ToolResult.of_page(found, item, say)


@tool(
    "What failed, and what is to be done?",
    "Parked messages of syncs, grouped by connector and reason, with what each reason means and what to do.",
    Argument("workspace", "Its id or name; all that the caller sees where it is not said."),
    Argument("connector", "The id of a workspace connector, or the name of its tool."),
    Argument("reason", "Only for this reason.", choices=MESSAGE_REASONS),
    items=fields(
        "connector_id connector reason says advice oldest newest resolves_itself:boolean messages:count "
        "problems:objects examples:array"
    ),
    more=fields("total:count"),
)
def _failures(asker: Asker) -> ToolResult:
    asked = {
        "filter[outcome]": "parked",
        "filter[workspace_connector]": asker.connection(),
        "filter[workspace]": asker.within,
        "filter[reason]": asker.arguments.get("reason"),
        "page[total]": "true" if "reason" in asker.arguments else None,
        **asker.paging(USUAL_GROUPED),
    }
    found = asker.page(SYNC_MESSAGE, asked)
    names = _tools_of(asker, asker.within) if found.rows else {}

    def tell(count: int) -> tuple[list[Object], str | None]:
        groups = found.grouped(count, "workspace_connector_id", "reason")
        items = [_failure(asker, names.get(connector), connector, rows) for (connector, _), rows in groups.items()]
        return items, found.cursor_after(count)

    def say(told: list[Object]) -> str:
        if not told:
            return "Nothing is parked: nothing that came has failed and waits."
        messages = sum(each["messages"] for each in told)
        reasons = sorted({each["reason"] for each in told})
        return f"{told_here(messages, 'parked message')}, in {counted(len(told), 'group')}: {', '.join(reasons)}."

    return ToolResult(len(found.rows), tell, say, (found.link,), {"total": found.page.total})


def _failure(asker: Asker, name: str | None, connector: str, rows: Sequence[Row]) -> Object:
    newest, times = rows[0], [attributes(SYNC_MESSAGE, row, "received_at")["received_at"] for row in rows]
    return {
        "connector_id": connector or None,
        "connector": name,
        **(_reason(newest["reason"]) or {"reason": shown(newest["reason"])}),
        "messages": len(rows),
        "oldest": min(times),
        "newest": max(times),
        "problems": attributes(SYNC_MESSAGE, newest, "problems")["problems"][:MOST_NAMED],
        "examples": [asker.link(SYNC_MESSAGE, row) for row in rows[:MOST_NAMED]],
    }


@tool(
    "Were the sources complete as of a day?",
    "For each connector: whether its latest run begun by the end of the day came whole, as known now, and through "
    "when it is complete. A connector without any run has none that is complete.",
    WORKSPACE,
    ONE,
    Argument("day", "A day of UTC such as 2026-05-31; today where it is not said.", kind="day"),
    items=fields(
        "connector_id connector is_complete:boolean complete_through latest_run:object runs:count "
        "not_complete:array link"
    ),
    more=fields("as_of"),
)
def _runs(asker: Asker) -> ToolResult:
    day = date.fromisoformat(asker.arguments["day"]) if "day" in asker.arguments else datetime.now(UTC).date()
    connection = asker.connection()
    workspace = None if connection else asker.workspace
    asked = {
        "filter[started_at][lt]": _end_of(day),
        "sort": "-started_at",
        "filter[workspace_connector]": connection,
        "filter[workspace]": workspace,
        **asker.paging(USUAL_GROUPED),
    }
    found = asker.page(SYNC_RUN, asked)
    names = _tools_of(asker, workspace) if workspace else {}

    def tell(count: int) -> tuple[list[Object], str | None]:
        groups = {connector: rows for (connector,), rows in found.grouped(count, "workspace_connector_id").items()}
        cursor = found.cursor_after(count)
        # The first page of a workspace also tells of connectors without a run.
        if cursor is None and "cursor" not in asker.arguments:
            groups |= {connector: [] for connector in names if connector not in groups}
        return [_runs_of(asker, each, names.get(each), rows) for each, rows in groups.items()], cursor

    def say(told: list[Object]) -> str:
        incomplete = [each["connector"] or each["connector_id"] for each in told if not each["is_complete"]]
        until = f"the end of {day}" if "day" in asker.arguments else "now"
        if not told:
            return f"No run began until {until}."
        if not incomplete:
            return f"The latest run until {until} came whole, for {counted(len(told), 'connector')} told here."
        return f"Until {until} not whole, or without a run: {listed(incomplete)}, of {len(told)} told here."

    return ToolResult(len(found.rows), tell, say, (found.link,), {"as_of": day.isoformat()})


def _runs_of(asker: Asker, connector: str, name: str | None, rows: Sequence[Row]) -> Object:
    """Return what is told of a connector's runs, the latest first."""
    told = [attributes(SYNC_RUN, row, but=("counts",) if row is rows[0] else ("counts", "snapshot")) for row in rows]
    whole = next((each for each in told if each["state"] == "complete"), None)
    return {
        "connector_id": connector,
        "connector": name,
        "is_complete": whole is not None and whole is told[0],
        "complete_through": (whole["occurred_at"] or whole["started_at"]) if whole else None,
        "latest_run": told[0] if told else None,
        "runs": len(told),
        "not_complete": [each["run"] for each in told if each["state"] != "complete"][:MOST_NAMED],
        "link": asker.link(SYNC_RUN, rows[0]) if rows else None,
    }


@tool(
    "How much did connectors bring in and carry out, and who did what?",
    "Rows linked and ended by record type and direction, of one connector or of a workspace's, in up to 400 days; "
    "or one by one: messages that came, rows with the messages that wrote and ended them, what callers did.",
    WORKSPACE,
    ONE,
    Argument("from", "The first day of UTC.", kind="day"),
    Argument("to", "The last day of UTC.", kind="day"),
    Argument("by", "What each item is; connectors if not said.", choices=("connector", "day", *_ONE_BY_ONE)),
    Argument("type", "By row: of which records.", choices=RECORD_TYPES),
    items=fields("connector_id connector", CONNECTOR_ACTIVITY, "message:object row:object caller:object"),
)
def _activity(asker: Asker) -> ToolResult:
    arguments = asker.arguments
    if arguments.get("by") in _ONE_BY_ONE:
        return _one_by_one(asker)
    connection = asker.connection()
    workspace = None if connection else asker.workspace
    names = _tools_of(asker, workspace) if workspace else {}
    is_summed = arguments.get("by", "connector") == "connector"
    asked = {
        "filter[workspace_connector]": connection,
        "filter[workspace]": workspace,
        "filter[date][gte]": arguments.get("from"),
        "filter[date][lte]": arguments.get("to"),
        "sum[by]": "connector" if is_summed else None,
        **asker.paging(),
    }
    found = asker.page(CONNECTOR_ACTIVITY, asked)

    def item(row: Row) -> Object:
        id_ = str(row["workspace_connector_id"])
        return {"connector_id": id_, "connector": names.get(id_), **attributes(CONNECTOR_ACTIVITY, row)}

    def say(told: list[Object]) -> str:
        if not told:
            return "Nothing was linked or ended in these days."
        linked, ended = (sum(_total(each[name]) for each in told) for name in ("linked", "ended"))
        by = counted(len(told), "connector" if is_summed else "day")
        return f"{counted(linked, 'row')} linked and {ended} ended, in {by} told here."

    return ToolResult.of_page(found, item, say)


def _one_by_one(asker: Asker) -> ToolResult:
    """Return the messages that came, the rows that were written or ended, or what callers did over HTTP."""
    arguments, by, workspace = asker.arguments, asker.arguments["by"], asker.within
    resource, at, include = _ONE_BY_ONE[by]
    resource = resource or ledgers()[_type_in(asker)]
    connection = asker.connection()
    # Who did what is told of one workspace; messages and rows of all that the caller sees, as over HTTP.
    if by == "caller":
        workspace = asker.workspace
    asked = {
        "include": include,
        f"filter[{'resource' if by == 'caller' else 'workspace_connector'}]": connection,
        "filter[workspace]": workspace if by == "caller" or connection is None else None,
        "filter[deleted]": "include" if by == "row" else None,
        "sort": at if by == "row" and "from" in arguments else None,
        f"filter[{at}][gte]": f"{arguments['from']}T00:00:00.000Z" if "from" in arguments else None,
        f"filter[{at}][lt]": _end_of(date.fromisoformat(arguments["to"])) if "to" in arguments else None,
        **asker.paging(),
    }
    found = asker.page(resource, asked)
    return ToolResult.of_page(
        found,
        lambda row: {**_connector_of(found, row), by: _done(found, row)},
        lambda told: f"{told_here(len(told), resource.name)}.",
    )


def _done(found: PageRead, row: Row) -> Object:
    """Return a message without its body, a row with its messages, or an entry with its caller."""
    resource = found.resource
    told = {"id": str(row["id"]), **attributes(resource, row, but=("body", "problems"))}
    if resource is AUDIT_ENTRY:
        caller = found.included(PEOPLE, row["caller_id"])
        told["caller_id"] = str(caller["id"]) if caller else None
        told["caller"] = name_in(PEOPLE, caller) if caller else None
    elif resource is not SYNC_MESSAGE:
        told["type"] = record = resource.relationships[0].name
        told["record_id"] = str(row[f"{record}_id"])
        for name in ("sync_message", "ended_by"):
            message = found.included(SYNC_MESSAGE, row[f"{name}_id"])
            of_message = attributes(SYNC_MESSAGE, message, "message_id", "run", "received_at") if message else {}
            told[name] = {"id": str(message["id"]), **of_message} if message else None
    return told


@tool(
    "What is lost if a connector is disconnected?",
    "The live rows of a connector, and how many of its records no other connector brings in. Disconnects nothing.",
    Argument("connector", "The id of a workspace connector, or the name of its tool.", required=True),
    WORKSPACE,
    pages=False,
    items=fields("connector_id", CONNECTOR_IMPACT),
)
def _impact(asker: Asker) -> ToolResult:
    connection = asker.connection()
    ask = partial(answers.connector_impact, principal=asker.principal, id_=connection)
    lost = asker.ask(CONNECTOR_IMPACT, ask, Reading("impact", WORKSPACE_CONNECTOR, connection))
    item = {"connector_id": str(connection), **attributes(CONNECTOR_IMPACT, lost.row)}

    def say(_told: list[Object]) -> str:
        live, sole = _total(item["live_rows"]), sum(item["sole_source"].values())
        some = f" of the {item['examined']} newest that were looked at" if item["is_capped"] else ""
        return f"{counted(live, 'live row')} would be ended; without another source: {counted(sole, 'record')}{some}."

    link = f"{asker.base}{WORKSPACE_CONNECTOR.route}/{connection}/impact"
    return ToolResult(1, lambda _count: ([item], None), say, (link,))


@tool(
    "Which providers are there, which are selected?",
    "What a workspace has selected or was matched to; with category, country or name, what the catalogue has.",
    WORKSPACE,
    Argument("of", "What is asked for.", choices=("workspace", "catalogue")),
    Argument("category", "A category of the catalogue, such as banking."),
    Argument("country", "A code of ISO 3166-1 alpha-2, such as FR."),
    Argument("name", "How the provider's name begins."),
    items=fields("id name link")
    | {name: schema for name, schema in fields(PROVIDER).items() if name in _OF_PROVIDERS}
    | fields(WORKSPACE_PROVIDER, but=("created_at", *_UNTOLD)),
)
def _providers(asker: Asker) -> ToolResult:
    filters = {"category": "filter[category]", "country": "filter[country]", "name": "filter[name][starts]"}
    asked = {parameter: asker.arguments[name] for name, parameter in filters.items() if name in asker.arguments}
    if is_catalogue := bool(asked) or asker.arguments.get("of") == "catalogue":
        found, of = asker.page(PROVIDER, {**asked, **asker.paging()}), "of the catalogue"
    else:
        asked = {"filter[workspace]": asker.workspace, "include": "provider", **asker.paging()}
        found = asker.page(WORKSPACE_PROVIDER, asked)
        of = "that the workspace has selected or was matched to"

    def item(row: Row) -> Object:
        id_ = row["id" if is_catalogue else "provider_id"]
        provider = row if is_catalogue else found.included(PROVIDER, id_)
        told = {"id": str(id_), **(attributes(PROVIDER, provider, *_OF_PROVIDERS) if provider else {})}
        selected = {} if is_catalogue else attributes(WORKSPACE_PROVIDER, row, but=("created_at", *_UNTOLD))
        return {**told, **selected, "link": asker.link(found.resource, row)}

    return ToolResult.of_page(found, item, lambda told: f"{told_here(len(told), 'provider')} {of}{_named(told)}.")


@tool(
    "Who shares a group?",
    "The caller's groups and the workspaces in each; of one group its workspaces and members.",
    Argument("group", "Its id or name."),
    Argument("workspace", "Only groups with it: its id or name."),
    items=fields("id name link type workspaces:array workspaces_in_all:count"),
    more=fields("members:objects"),
)
def _groups(asker: Asker) -> ToolResult:
    if "group" in asker.arguments:
        return _group(asker)
    workspace = asker.within
    found = asker.page(WORKSPACE_GROUP, {"include": "workspaces", **asker.paging()})
    items = []
    for row in found.rows:
        ids = [str(id_) for id_ in row["workspaces_ids"]]
        if workspace is None or str(workspace) in ids:
            told = {"id": str(row["id"]), **attributes(WORKSPACE_GROUP, row, "name")}
            told["workspaces"] = [found.name_of(OWN_WORKSPACE, id_) or id_ for id_ in ids[:MOST_CHOICES]]
            items.append({**told, "workspaces_in_all": len(ids), "link": asker.link(WORKSPACE_GROUP, row)})

    def tell(count: int) -> tuple[list[Object], str | None]:
        if workspace is None:
            return items[:count], found.cursor_after(count)
        # Of those that were looked at some are left out; what is behind them is another page.
        return items[:count], found.cursor_after(len(found.rows)) if count >= len(items) else None

    def say(told: list[Object]) -> str:
        if not told:
            return "No group of yours is told here" + (" that has this workspace." if workspace else ".")
        return f"{told_here(len(told), 'group')}{_named(told)}."

    return ToolResult(len(items), tell, say, (found.link,))


def _group(asker: Asker) -> ToolResult:
    """Return the workspaces of a group, and its members beside them."""
    group = {"filter[workspace_group]": asker.group()}
    found = asker.page(OWN_WORKSPACE, {**group, **asker.paging()})
    members = asker.page(WORKSPACE_GROUP_MEMBERSHIP, {**group, "include": "people", "page[size]": MOST_MEMBERS})
    told_members = []
    for row in members.rows:
        member = {"id": str(row["people_id"]), "name": members.name_of(PEOPLE, row["people_id"])}
        told_members.append({**member, **attributes(WORKSPACE_GROUP_MEMBERSHIP, row, "role", "status")})

    def say(told: list[Object]) -> str:
        if not told and not told_members:
            return "There is no such group among yours, or nothing is in it."
        number = ("at least " if members.page.more_after else "") + counted(len(told_members), "member")
        return f"{told_here(len(told), 'workspace')} of the group, which has {number}."

    answer = ToolResult.of_page(found, partial(asker.item, found), say, members=told_members)
    return replace(answer, links=(found.link, members.link))


@tool(
    "Is it one customer, one tool, or all of us?",
    "All workspaces: connectors by health, in all and by tool, what is parked, runs that are incomplete. "
    "For services and operators.",
    items=fields("id name number:count by_health:object"),
    more=fields(FLEET, but=("tools",)),
)
def _fleet(asker: Asker) -> ToolResult:
    row = asker.ask(FLEET, answers.fleet, Reading("retrieve", FLEET))
    whole, cursor = attributes(FLEET, row), asker.arguments.get("cursor", "0")
    if not cursor.isdecimal() or len(cursor) > MOST_DIGITS:
        raise InvalidCursor("The cursor must be an answer's next_cursor.")
    tools, first = whole.pop("tools"), int(cursor)
    items = [
        {
            "id": tool["connector"],
            "name": tool["name"],
            "number": tool["number"],
            "by_health": {health: tool[health] for health in HEALTH if tool[health]},
        }
        for tool in tools[first : first + asker.arguments.get("size", USUAL_SIZE)]
    ]

    def tell(count: int) -> tuple[list[Object], str | None]:
        behind = first + count
        return items[:count], str(behind) if behind < len(tools) else None

    def say(_told: list[Object]) -> str:
        if whole["as_of"] is None:
            return "Nothing has been counted yet: it is each minute."
        numbers = {each["health"]: each["number"] for each in whole["connectors"] if each["number"]}
        summary = ", ".join(f"{number} {health.replace('_', ' ')}" for health, number in numbers.items())
        parked = sum(each["number"] for each in whole["parked"])
        silent = " Most that were due have not come: no customer's fault, nor a tool's." if whole["is_silent"] else ""
        return (
            f"{counted(sum(numbers.values()), 'connector')}{f' ({summary})' if summary else ''}, "
            f"{counted(parked, 'parked message')}, {counted(whole['runs_incomplete'], 'incomplete run')}.{silent}"
        )

    return ToolResult(len(items), tell, say, (f"{asker.base}{FLEET.route}",), whole)


TOOLS = (_find, _sources, _connectors, _failures, _runs, _activity, _impact, _providers, _groups, _fleet)
BY_NAME = {tool.name: tool for tool in TOOLS}
