"""How a tool asks: the questions of HTTP, through the services that answer them, for the same caller."""

import json
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode
from uuid import UUID

from wellspring.access.principal import Person, Principal
from wellspring.access.rules import permit
from wellspring.database import Transaction
from wellspring.errors import NotFound
from wellspring.ids import parse_id
from wellspring.jsonapi.answers import parse_activity, parse_audit, parse_page
from wellspring.jsonapi.documents import attributes_of, is_retrievable, location, url_of
from wellspring.jsonapi.query import parse_list
from wellspring.queries import View
from wellspring.resources import (
    AUDIT_ENTRY,
    CONNECTOR,
    CONNECTOR_ACTIVITY,
    CONNECTOR_IMPACT,
    FLEET,
    OWN_WORKSPACE,
    RECORD_SOURCE,
    WORKSPACE_CONNECTOR,
    WORKSPACE_GROUP,
    Resource,
    records,
)
from wellspring.services import answers, fleet
from wellspring.services.ledger import reading
from wellspring.services.ledger.reading import Page, Row, RowWithIncludes
from wellspring.services.operators import Reading

type Object = dict[str, Any]
type Pairs = Sequence[tuple[str, object]]


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
# Categories of Unicode that a reader does not see, or that say how others are shown.
_UNSEEN = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})


class Unclear(Exception):
    """What a question names is not one thing: nothing is called so, or several are.

    Args:
        detail: what is unclear.
        choices: what may be meant.
    """

    def __init__(self, detail: str, choices: Sequence[Object] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.choices = list(choices)


@dataclass(frozen=True, slots=True)
class Found:
    """A page that was read.

    Attributes:
        page: of the service.
        link: leads to the same page over HTTP.
    """

    page: Page
    link: str

    @property
    def rows(self) -> list[Row]:
        """Its rows."""
        return self.page.rows

    def included(self, type_: str) -> Mapping[str, Row]:
        """Return what is included of a type, by its id."""
        return {str(row["id"]): row for row in self.page.included.get(type_, ())}

    def cursor_after(self, count: int) -> str | None:
        """Return where to go on after so many of its rows; None at the end."""
        is_end = count >= len(self.rows) and not self.page.more_after
        return None if is_end or not count else self.page.cursors[count - 1]


class Asker:
    """Asks for one caller.

    Args:
        principal: the caller.
        read: runs what reads, in a transaction of its own.
        base: what stands before the paths of links.
    """

    def __init__(self, principal: Principal, read: Read, base: str = "") -> None:
        self.principal = principal
        self._read = read
        self._base = base

    # ---- the questions of HTTP ---------------------------------------------------------------------------
    def page(self, resource: Resource, pairs: Pairs) -> Found:
        """Return a page of a list. Raises what HTTP answers it with."""
        query = parse_list(resource, self._permitted(resource, pairs))
        page = self._read(
            lambda transaction: reading.list_page(transaction, self.principal, query),
            Reading("list", resource, workspaces=query.workspaces),
        )
        return Found(page, self._url(resource.route, pairs))

    def audit(self, pairs: Pairs) -> Found:
        """Return a page of who did what. Raises what HTTP answers it with."""
        query = parse_audit(self._permitted(AUDIT_ENTRY, pairs))
        page = self._read(
            lambda transaction: answers.audit_entries(transaction, self.principal, query),
            Reading("list", AUDIT_ENTRY, workspaces=(query.workspace,) if query.workspace else ()),
        )
        return Found(page, self._url(AUDIT_ENTRY.route, pairs))

    def one(self, resource: Resource, id_: UUID) -> RowWithIncludes:
        """Return one row. Raises what HTTP answers it with."""
        permit(self.principal, resource.policy, "read")
        return self._read(
            lambda transaction: reading.retrieve(transaction, self.principal, resource, id_, View()),
            Reading("retrieve", resource, id_),
        )

    def activity(self, pairs: Pairs) -> Found:
        """Return a page of connectors' activity. Raises what HTTP answers it with."""
        query = parse_activity(self._permitted(CONNECTOR_ACTIVITY, pairs))
        page = self._read(
            lambda transaction: answers.connector_activity(transaction, self.principal, query),
            Reading("list", CONNECTOR_ACTIVITY, workspaces=(query.workspace,) if query.workspace else ()),
        )
        return Found(page, self._url(CONNECTOR_ACTIVITY.route, pairs))

    def sources(self, record: Resource, id_: UUID, pairs: Pairs) -> Found:
        """Return a page of a record's sources. Raises what HTTP answers it with."""
        query = parse_page(RECORD_SOURCE, self._permitted(RECORD_SOURCE, pairs))
        page = self._read(
            lambda transaction: answers.record_sources(transaction, self.principal, record, id_, query),
            Reading("sources", record, id_),
        )
        return Found(page, self._url(f"{record.route}/{id_}/sources", pairs))

    def impact(self, id_: UUID) -> tuple[Row, str]:
        """Return what is lost without a connector, and the link to it. Raises what HTTP answers it with."""
        permit(self.principal, CONNECTOR_IMPACT.policy, "read")
        found = self._read(
            lambda transaction: answers.connector_impact(transaction, self.principal, id_),
            Reading("impact", WORKSPACE_CONNECTOR, id_),
        )
        return found.row, self._url(f"{WORKSPACE_CONNECTOR.route}/{id_}/impact", ())

    def fleet(self) -> tuple[Row, str]:
        """Return how all connectors are, and the link to it. Raises what HTTP answers it with."""
        permit(self.principal, FLEET.policy, "read")
        return self._read(fleet.told, Reading("retrieve", FLEET)), self._url(FLEET.route, ())

    def link(self, resource: Resource, row: Row) -> str | None:
        """Return the link to one row; None where a GET would not show it."""
        return self._base + location(resource, row) if is_retrievable(resource, row) else None

    def _permitted(self, resource: Resource, pairs: Pairs) -> str:
        permit(self.principal, resource.policy, "read")
        return urlencode(pairs)

    def _url(self, path: str, pairs: Pairs) -> str:
        return self._base + url_of(path, urlencode(pairs))

    # ---- what a name means -------------------------------------------------------------------------------
    def workspace(self, said: str | None) -> UUID:
        """Return the workspace that an id or a name means, or the only one there is. Raises `Unclear`."""
        if said is not None:
            return self.named(OWN_WORKSPACE, said)
        found = self.page(OWN_WORKSPACE, [("page[size]", MOST_CHOICES), ("sort", "name")])
        if len(found.rows) == 1:
            return UUID(str(found.rows[0]["id"]))
        if not found.rows:
            raise Unclear("You see no workspace.")
        raise Unclear("There are several workspaces: say which.", self._choices(OWN_WORKSPACE, found.rows))

    def named(self, resource: Resource, said: str, workspace: UUID | None = None) -> UUID:
        """Return the resource of a type that an id or a name means. Raises `Unclear`."""
        rows = self.rows_named(resource, said, workspace)
        if isinstance(rows, UUID):
            return rows
        if len(rows) == 1:
            return UUID(str(rows[0]["id"]))
        if not rows:
            raise Unclear(f"There is no {resource.name} called {quoted(said)} that you see.")
        detail = f"{quoted(said)} may be one of several {resource.names}: say which, by its id."
        raise Unclear(detail, self._choices(resource, rows))

    def rows_named(self, resource: Resource, said: str, workspace: UUID | None = None) -> list[Row] | UUID:
        """Return the rows of a type whose name is said, or else begins so; or the id that is said."""
        id_ = parse_id(said)
        if id_ is not None:
            return id_
        pairs: list[tuple[str, object]] = [("filter[name][starts]", said), ("page[size]", MOST_CHOICES)]
        if workspace is not None and resource.relationship("workspace"):
            pairs.append(("filter[workspace]", workspace))
        rows, name = self.page(resource, pairs).rows, resource.named
        exact = [row for row in rows if name and str(row[name.name]).casefold() == said.casefold()]
        return exact or rows

    def record(self, said: str, type_: str | None, workspace: UUID | None) -> tuple[Resource, UUID]:
        """Return the record that an id or a name means, of one type or of whichever. Raises `Unclear`."""
        declared = [found for found in records() if found.is_readable and type_ in {None, found.type}]
        id_ = parse_id(said)
        choices: list[Object] = []
        matches: list[tuple[Resource, UUID]] = []
        for resource in declared:
            if id_ is not None:
                if self._is_there(resource, id_):
                    return resource, id_
                continue
            rows = self.rows_named(resource, said, workspace)
            if not isinstance(rows, UUID):
                matches += [(resource, UUID(str(row["id"]))) for row in rows]
                choices += self._choices(resource, rows)
        if len(matches) == 1:
            return matches[0]
        kinds = type_ or "record"
        if not matches:
            raise Unclear(f"There is no {kinds} {quoted(said)} that you see.")
        raise Unclear(f"{quoted(said)} may be one of several: say which, by its id.", choices[:MOST_CHOICES])

    def connection(self, said: str, workspace: UUID | None) -> UUID:
        """Return the workspace connector that its id, or the name of its tool, means. Raises `Unclear`."""
        id_ = parse_id(said)
        if id_ is not None:
            return id_
        found = self.connections(said, workspace)
        if len(found) == 1:
            return UUID(found[0]["id"])
        if not found:
            raise Unclear(f"There is no connector called {quoted(said)} in a workspace that you see.")
        detail = f"{quoted(said)} may be one of several connectors: say which, by its id."
        raise Unclear(detail, found[:MOST_CHOICES])

    def connections(self, said: str, workspace: UUID | None) -> list[Object]:
        """Return the workspace connectors whose tool is called so, or begins so."""
        tools = self.rows_named(CONNECTOR, said)
        if isinstance(tools, UUID) or not tools:
            return []
        # Of the rows of all workspaces a service asks for one tool's only (docs/adr/0029).
        ids = tools if workspace is not None or isinstance(self.principal, Person) else tools[:1]
        pairs: list[tuple[str, object]] = [
            ("filter[connector]", ",".join(str(row["id"]) for row in ids)),
            ("include", "connector,workspace"),
            ("page[size]", MOST_CONNECTIONS),
            *([("filter[workspace]", workspace)] if workspace is not None else []),
        ]
        found = self.page(WORKSPACE_CONNECTOR, pairs)
        return [self.connection_item(found, row) for row in found.rows]

    def connection_item(self, found: Found, row: Row) -> Object:
        """Return what a workspace connector is told by: its tool's name, its workspace's, its link."""
        return {
            "id": str(row["id"]),
            "type": WORKSPACE_CONNECTOR.type,
            "name": name_in(CONNECTOR, found.included(CONNECTOR.type).get(str(row["connector_id"]))),
            "workspace": name_in(OWN_WORKSPACE, found.included(OWN_WORKSPACE.type).get(str(row["workspace_id"]))),
            "link": self.link(WORKSPACE_CONNECTOR, row),
        }

    def item(self, resource: Resource, row: Row) -> Object:
        """Return what a row with a name is told by."""
        workspace = row.get("workspace_id")
        return {
            "id": str(row["id"]),
            "type": resource.type,
            "name": name_in(resource, row),
            **({"workspace_id": str(workspace)} if workspace else {}),
            "link": self.link(resource, row),
        }

    def _choices(self, resource: Resource, rows: Iterable[Row]) -> list[Object]:
        return [self.item(resource, row) for row in rows]

    def _is_there(self, resource: Resource, id_: UUID) -> bool:
        try:
            self.one(resource, id_)
        except NotFound:
            return False
        return True


def name_in(resource: Resource, row: Row | None) -> str | None:
    """Return the name of a row, as it may be told; None where it was not read."""
    name = resource.named or WORKSPACE_GROUP.attribute("name")
    return None if row is None or name is None else shown(row.get(name.name))


def attributes(resource: Resource, row: Row, *names: str) -> Object:
    """Return attributes of a row as a document has them, their texts as they may be told; all without `names`."""
    told: Object = shown(attributes_of(resource, row, frozenset(names) or None))
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
