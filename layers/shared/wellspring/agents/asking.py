"""Questions of a tool: those of HTTP, through the services that answer them, for the same caller."""

import json
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Protocol
from urllib.parse import urlencode
from uuid import UUID

from wellspring.access.principal import Person, Principal
from wellspring.access.rules import permit
from wellspring.database import Transaction
from wellspring.database.flush import Row
from wellspring.errors import NotFound
from wellspring.ids import parse_id
from wellspring.jsonapi.answers import parse_activity, parse_audit, parse_page
from wellspring.jsonapi.documents import attributes_of, is_retrievable, location, url_of
from wellspring.jsonapi.query import parse_list
from wellspring.queries import MAX_PAGE_SIZE, ActivityQuery, AnswerQuery, AuditQuery, ListQuery, View
from wellspring.resources import (
    AUDIT_ENTRY,
    CONNECTOR,
    CONNECTOR_ACTIVITY,
    OWN_WORKSPACE,
    RECORD_SOURCE,
    WORKSPACE_CONNECTOR,
    WORKSPACE_GROUP,
    Resource,
    records,
    resource_of,
)
from wellspring.services import answers
from wellspring.services.ledger import reading
from wellspring.services.ledger.reading import Page
from wellspring.services.operators import Reading

type Object = dict[str, Any]
type Arguments = Mapping[str, Any]
# Query parameters, in the order in which a link has them; those that are None are left out.
type Parameters = Mapping[str, object]


class Read(Protocol):
    """Runs what only reads, in a transaction of its own."""

    def __call__[Result](self, work: Callable[[Transaction], Result], read: Reading, /) -> Result:
        """Return what `work` returns, of which `read` says what it reads. Raises what `in_transaction` raises."""


# Of what the ledger holds so much of a text is told: the rest is at the link.
LONGEST_TEXT = 200
# How many of those that a name may mean are told.
MOST_CHOICES = 8
# How many connections of a tool are looked at to find the one that a name means.
MOST_CONNECTIONS = 20
USUAL_SIZE = 20
# Categories of Unicode that a reader does not see, or that say how others are shown.
_UNSEEN = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})


@dataclass(eq=False)
class Unclear(Exception):
    """What a question names is not one thing: nothing is called so, or several are, the `choices`."""

    detail: str
    choices: list[Object] = field(default_factory=list)


@dataclass(frozen=True)
class PageRead:
    """A page that was read; `link` leads to the same page over HTTP."""

    resource: Resource
    page: Page
    link: str

    @property
    def rows(self) -> list[Row]:
        """Its rows."""
        return self.page.rows

    @cached_property
    def _included(self) -> Mapping[tuple[str, str], Row]:
        return {(type_, str(row["id"])): row for type_, rows in self.page.included.items() for row in rows}

    def included(self, resource: Resource, id_: object) -> Row | None:
        """Return what is included of a type by its id; None where it is not."""
        return self._included.get((resource.type, str(id_)))

    def name_of(self, resource: Resource, id_: object) -> str | None:
        """Return the name of what is included; None where it is not."""
        row = self.included(resource, id_)
        return name_in(resource, row) if row else None

    def grouped(self, count: int, *names: str) -> dict[tuple[str, ...], list[Row]]:
        """Return the first so many rows by what they have under `names`; None is an empty text."""
        groups: dict[tuple[str, ...], list[Row]] = {}
        for row in self.rows[:count]:
            groups.setdefault(tuple(str(row[name] or "") for name in names), []).append(row)
        return groups

    def cursor_after(self, count: int) -> str | None:
        """Return where to go on after so many of its rows; None at the end."""
        is_end = count >= len(self.rows) and not self.page.more_after
        return None if is_end or not count else self.page.cursors[count - 1]


@dataclass(frozen=True)
class Asker:
    """Asks for one caller what the `arguments` of a tool are about; `base` stands before the paths of links.

    What reads raises what HTTP answers it with; what looks for what a name means also raises `Unclear`.
    """

    principal: Principal
    read: Read
    base: str
    arguments: Arguments

    def ask[Result](self, resource: Resource, work: Callable[[Transaction], Result], read: Reading) -> Result:
        """Return what `work` returns, if the caller may read such."""
        permit(self.principal, resource.policy, "read")
        return self.read(work, read)

    # ---- lists of HTTP -----------------------------------------------------------------------------------
    def page(self, resource: Resource, asked: Parameters) -> PageRead:
        """Return a page of a list."""
        if resource is AUDIT_ENTRY:
            return self._page(resource, asked, parse_audit, answers.audit_entries)
        if resource is CONNECTOR_ACTIVITY:
            return self._page(resource, asked, parse_activity, answers.connector_activity)
        return self._page(resource, asked, partial(parse_list, resource), reading.list_page)

    def sources(self, record: Resource, id_: UUID, asked: Parameters) -> PageRead:
        """Return a page of a record's sources."""

        def answer(transaction: Transaction, principal: Principal, query: AnswerQuery) -> Page:
            return answers.record_sources(transaction, principal, record, id_, query)

        path, read = f"{record.route}/{id_}/sources", Reading("sources", record, id_)
        return self._page(RECORD_SOURCE, asked, partial(parse_page, RECORD_SOURCE), answer, path, read)

    def _page[Query: AnswerQuery](
        self,
        resource: Resource,
        asked: Parameters,
        parse: Callable[[str], Query],
        answer: Callable[[Transaction, Principal, Query], Page],
        path: str = "",
        read: Reading | None = None,
    ) -> PageRead:
        permit(self.principal, resource.policy, "read")
        raw_query = urlencode({name: value for name, value in asked.items() if value is not None})
        query = parse(raw_query)
        workspaces = query.workspaces if isinstance(query, ListQuery) else ()
        if isinstance(query, ActivityQuery | AuditQuery) and query.workspace:
            workspaces = (query.workspace,)
        read = read or Reading("list", resource, workspaces=workspaces)
        page = self.read(lambda transaction: answer(transaction, self.principal, query), read)
        return PageRead(resource, page, self.base + url_of(path or resource.route, raw_query))

    def paging(self, size: int = USUAL_SIZE) -> Parameters:
        """Return which page is asked for, of so many rows where it is not said."""
        return {"page[size]": self.arguments.get("size", size), "page[after]": self.arguments.get("cursor")}

    def link(self, resource: Resource, row: Row) -> str | None:
        """Return the link to one row; None where a GET would not show it."""
        return self.base + location(resource, row) if is_retrievable(resource, row) else None

    # ---- what the arguments name: in the workspace that is said, or in all -------------------------------
    @cached_property
    def within(self) -> UUID | None:
        """The workspace that is said; None where none is."""
        return self.named(OWN_WORKSPACE, self.arguments["workspace"]) if "workspace" in self.arguments else None

    @cached_property
    def workspace(self) -> UUID:
        """The workspace that is said, or the only one there is."""
        if self.within is not None:
            return self.within
        found = self.page(OWN_WORKSPACE, {"page[size]": MOST_CHOICES, "sort": "name"})
        items = [self.item(found, row) for row in found.rows]
        return _only(items, "You see no workspace.", "There are several workspaces: say which.")

    def named(self, resource: Resource, reference: str) -> UUID:
        """Return the resource of a type that an id or a name means."""
        absent = f"There is no {resource.name} called {quoted(reference)} that you see."
        return parse_id(reference) or _only(
            self.items_named(resource, reference), absent, _several(reference, resource.names)
        )

    def record(self) -> tuple[Resource, UUID]:
        """Return the record that an id or a name means, of the type that is said or of whichever."""
        reference, type_, workspace = self.arguments["record"], self.arguments.get("type"), self.within
        id_, items = parse_id(reference), list[Object]()
        for resource in (each for each in records() if each.is_readable and type_ in {None, each.type}):
            if id_ is None:
                items += self.items_named(resource, reference, workspace)
                continue
            read = partial(reading.retrieve, principal=self.principal, resource=resource, id_=id_, view=View())
            with suppress(NotFound):
                self.ask(resource, read, Reading("retrieve", resource, id_))
                return resource, id_
        id_ = _only(items, f"There is no {type_ or 'record'} {quoted(reference)} that you see.", _several(reference))
        return resource_of(items[0]["type"]), id_

    def connection(self, name: str = "connector") -> UUID | None:
        """Return the workspace connector that its id, or the name of its tool, means; None where none is said."""
        reference, workspace = self.arguments.get(name), self.within
        if reference is None:
            return None
        absent = f"There is no connector called {quoted(reference)} in a workspace that you see."
        return parse_id(reference) or _only(
            self.connections(reference, workspace), absent, _several(reference, "connectors")
        )

    def group(self) -> UUID:
        """Return the group that is said; one of that name is found among the caller's own."""
        reference = self.arguments["group"]
        if id_ := parse_id(reference):
            return id_
        found = self.page(WORKSPACE_GROUP, {"page[size]": MAX_PAGE_SIZE})
        rows = [row for row in found.rows if str(row["name"]).casefold().startswith(reference.casefold())]
        items = [self.item(found, row) for row in _exactly(WORKSPACE_GROUP, rows, reference)]
        return _only(items, f"No group of yours is called {quoted(reference)}.", _several(reference, "groups"))

    def items_named(self, resource: Resource, text: str, workspace: UUID | None = None) -> list[Object]:
        """Return what of a type is called so, or else begins so."""
        asked = {"filter[name][starts]": text, "page[size]": MOST_CHOICES}
        within = workspace if resource.relationship("workspace") else None
        found = self.page(resource, asked | {"filter[workspace]": within})
        return [self.item(found, row) for row in _exactly(resource, found.rows, text)]

    def connections(self, text: str, workspace: UUID | None) -> list[Object]:
        """Return the workspace connectors whose tool is called so, or begins so."""
        tools = self.items_named(CONNECTOR, text)
        if not tools:
            return []
        # Of the rows of all workspaces a service asks for one tool's only (docs/adr/0029).
        is_few = workspace is not None or isinstance(self.principal, Person)
        asked = {
            "filter[connector]": ",".join(tool["id"] for tool in (tools if is_few else tools[:1])),
            "include": "connector,workspace",
            "page[size]": MOST_CONNECTIONS,
            "filter[workspace]": workspace,
        }
        found = self.page(WORKSPACE_CONNECTOR, asked)
        return [self.item(found, row) for row in found.rows]

    def item(self, found: PageRead, row: Row) -> Object:
        """Return what a row is told by: its name; of a workspace connector its tool's, which is included."""
        item: Object = {"id": str(row["id"]), "type": found.resource.type}
        if found.resource is WORKSPACE_CONNECTOR:
            item["name"] = found.name_of(CONNECTOR, row["connector_id"])
            item["workspace"] = found.name_of(OWN_WORKSPACE, row["workspace_id"])
        else:
            item["name"] = name_in(found.resource, row)
            item |= {"workspace_id": str(row["workspace_id"])} if row.get("workspace_id") else {}
        return item | {"link": self.link(found.resource, row)}


def _exactly(resource: Resource, rows: Sequence[Row], text: str) -> Sequence[Row]:
    """Return those of the rows that are called so; all where none is."""
    name = _name_of(resource)
    return [row for row in rows if str(row[name]).casefold() == text.casefold()] or rows


def _only(items: Sequence[Object], absent: str, several: str) -> UUID:
    """Return the id of the only one of the items. Raises `Unclear` that tells either, with the choices."""
    if len(items) == 1:
        return UUID(items[0]["id"])
    raise Unclear(several if items else absent, list(items[:MOST_CHOICES]))


def _several(reference: str, names: str = "") -> str:
    """Return the sentence that a name may mean several things."""
    return f"{quoted(reference)} may be one of several{names and ' '}{names}: say which, by its id."


def _name_of(resource: Resource) -> str:
    # Groups have a name by which no filter finds them.
    return resource.named.name if resource.named else "name"


def name_in(resource: Resource, row: Row) -> str | None:
    """Return the name of a row, as it may be told."""
    name: str | None = shown(row.get(_name_of(resource)))
    return name


def attributes(resource: Resource, row: Row, *names: str, but: Sequence[str] = ()) -> Object:
    """Return attributes of a row as a document has them, their texts as they may be told; without `names` all `but`."""
    fields = names or tuple(each.name for each in resource.attributes if each.name not in but)
    told: Object = shown(attributes_of(resource, row, frozenset(fields)))
    return told


def shown(value: Any) -> Any:
    """Return a value of the ledger as an agent is told it: data, whose texts are bounded and hide nothing.

    What a reader does not see, such as control characters and marks of direction, is written as an escape.
    """
    match value:
        case str():
            cut = value if len(value) <= LONGEST_TEXT else f"{value[:LONGEST_TEXT]}…"
            return "".join(f"\\u{ord(char):04x}" if unicodedata.category(char) in _UNSEEN else char for char in cut)
        case dict():
            return {name: shown(each) for name, each in value.items()}
        case list() | tuple():
            return [shown(each) for each in value]
    return value


def quoted(name: object) -> str:
    """Return a text of the ledger, or of the caller, as a sentence may hold it: in quotation marks."""
    return json.dumps(shown(str(name)), ensure_ascii=False)
