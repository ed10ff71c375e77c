"""Query parameters of what is answered from sums and from several rows (contract, section 7)."""

from datetime import UTC, date, datetime, timedelta
from functools import partial
from uuid import UUID

from wellspring.errors import raise_all
from wellspring.ids import parse_id
from wellspring.jsonapi.query import MAX_FILTER_TEXT, RANGE_OPERATORS, Parser, Reader, ids_of, with_operators
from wellspring.jsonapi.values import parse_day, parse_instant
from wellspring.queries import (
    MAX_ACTIVE_CONNECTORS,
    MAX_DAYS,
    MAX_SUMMED,
    ActivityQuery,
    AnswerQuery,
    AuditQuery,
    Operator,
)
from wellspring.resources import AUDIT_ENTRY, CONNECTOR_ACTIVITY, Resource

BY_CONNECTOR = "connector"
_ONE_DAY = timedelta(days=1)
# What of a day each operator leaves in: whether it is the first or the last one, and how many days further on.
_ENDS: dict[str, tuple[bool, int]] = {"gte": (True, 0), "gt": (True, 1), "lte": (False, 0), "lt": (False, -1)}


def parse_page(resource: Resource, raw_query: str) -> AnswerQuery:
    """Return what a request for a page of what is neither sorted nor filtered asks for.

    Raises:
        InvalidQueryParameter: or `Problems` of several, one for each parameter at fault.
    """
    parser = AnswerParser(resource, ())
    parser.read(raw_query, parser.list_reader)
    parser.refuse_range_of_pages()
    raise_all(parser.problems)
    backward = parser.before is not None
    return AnswerQuery(parser.size, parser.before if backward else parser.after, backward, parser.view)


def parse_activity(raw_query: str) -> ActivityQuery:
    """Return what a request for the activity of connectors asks for.

    Without a range it is of the last 400 days, until today.

    Raises:
        InvalidQueryParameter: or `Problems` of several, one for each parameter at fault.
    """
    parser = ActivityParser(CONNECTOR_ACTIVITY, ())
    parser.read(raw_query, parser.list_reader)
    parser.refuse_range_of_pages()
    parser.settle()
    raise_all(parser.problems)
    first, last = parser.days()
    return ActivityQuery(
        connectors=parser.connectors,
        workspace=parser.workspaces[0] if parser.workspaces else None,
        first=first,
        last=last,
        is_summed=parser.is_summed,
        size=parser.size,
        cursor=parser.after if parser.before is None else parser.before,
        backward=parser.before is not None,
        view=parser.view,
    )


def parse_audit(raw_query: str) -> AuditQuery:
    """Return what a request for who did what asks for.

    Raises:
        InvalidQueryParameter: or `Problems` of several, one for each parameter at fault.
    """
    parser = AuditParser(AUDIT_ENTRY, ())
    parser.read(raw_query, parser.list_reader)
    parser.refuse_range_of_pages()
    parser.refuse_together()
    raise_all(parser.problems)
    return AuditQuery(
        workspace=parser.ids.get("workspace"),
        caller=parser.ids.get("caller"),
        service=parser.service,
        resource=parser.ids.get("resource"),
        times=tuple(parser.times.items()),
        size=parser.size,
        cursor=parser.after if parser.before is None else parser.before,
        backward=parser.before is not None,
        view=parser.view,
    )


class AnswerParser(Parser):
    """Takes pages and what is shown of them; nothing is sorted, filtered or counted by the client."""

    def list_reader(self, name: str) -> Reader | None:
        """Return what reads a parameter; None where there is no such one."""
        readers: dict[str, Reader] = {
            "page[size]": self._size,
            "page[after]": self._after,
            "page[before]": self._before,
        }
        return readers.get(name) or self.view_reader(name)


class ActivityParser(AnswerParser):
    """Takes connectors or a workspace, days, and whether they are added up."""

    def __init__(self, resource: Resource, within: tuple[str, ...]) -> None:
        super().__init__(resource, within)
        self.connectors: tuple[UUID, ...] = ()
        self.is_summed = False
        # By parameter: whether it is the first day, and which.
        self.ends: dict[str, tuple[bool, date]] = {}
        self.given: set[str] = set()

    def list_reader(self, name: str) -> Reader | None:
        """Return what reads a parameter; None where there is no such one."""
        readers: dict[str, Reader] = {
            "filter[workspace_connector]": self._named("filter[workspace_connector]", self._connectors),
            "filter[workspace]": self._named("filter[workspace]", self._one_workspace),
            "sum[by]": self._sum,
        }
        operator = name.removeprefix("filter[date][").removesuffix("]")
        if operator in RANGE_OPERATORS and name == f"filter[date][{operator}]":
            return lambda value: self._day(name, operator, value)
        return readers.get(name) or super().list_reader(name)

    def settle(self) -> None:
        """Refuse what is not of some connectors, of too many days, or of too many connectors at once."""
        if self.given == {"filter[workspace]", "filter[workspace_connector]"}:
            self.refuse("filter[workspace]", "Name connectors or a workspace, not both.")
        elif not self.given:
            self.refuse(
                "filter[workspace_connector]",
                "Activity is of some connectors: name them by filter[workspace_connector], or all of one workspace by "
                "filter[workspace].",
            )
        first, last = self.days()
        if (last - first).days >= MAX_DAYS:
            at = next(iter(self.ends), "filter[date][gte]")
            self.refuse(at, f"The range is of at most {MAX_DAYS} days; where it has no end, it ends today.")
        if self.is_summed and self.size > MAX_SUMMED:
            self.refuse(
                "page[size]",
                f"A page that is added up has at most {MAX_SUMMED} rows.",
                kind="max-size-exceeded",
                maxSize=MAX_SUMMED,
            )

    def days(self) -> tuple[date, date]:
        """Return the first and the last day."""
        firsts = [day for is_first, day in self.ends.values() if is_first]
        lasts = [day for is_first, day in self.ends.values() if not is_first]
        today = datetime.now(UTC).date()
        last = min(lasts) if lasts else max([today, *firsts])
        most = min(last - date.min, (MAX_DAYS - 1) * _ONE_DAY)
        return (max(firsts) if firsts else last - most), last

    def _named(self, parameter: str, reader: Reader) -> Reader:
        def read(value: str) -> None:
            self.given.add(parameter)
            reader(value)

        return read

    def _connectors(self, value: str) -> None:
        ids = ids_of(value)
        if not ids or len(ids) > MAX_ACTIVE_CONNECTORS:
            self.refuse(
                "filter[workspace_connector]",
                f"The value must be one to {MAX_ACTIVE_CONNECTORS} uuids, comma-separated.",
            )
        else:
            self.connectors = ids

    def _one_workspace(self, value: str) -> None:
        ids = ids_of(value)
        if not ids or len(ids) > 1:
            self.refuse("filter[workspace]", "The value must be one uuid.")
        else:
            self.workspaces = ids

    def _day(self, parameter: str, operator: str, value: str) -> None:
        is_first, further = _ENDS[operator]
        day = parse_day(value)
        try:
            end = None if day is None else day + further * _ONE_DAY
        except OverflowError:
            end = None
        if end is None:
            self.refuse(parameter, "The value must be a day of UTC, such as 2026-05-10.")
        else:
            self.ends[parameter] = (is_first, end)

    def _sum(self, value: str) -> None:
        if value == BY_CONNECTOR:
            self.is_summed = True
        else:
            self.refuse("sum[by]", f"The value must be {BY_CONNECTOR}.")

    def _names(self) -> list[tuple[str, str]]:
        more = [(name, name) for name in ("filter[workspace_connector]", "filter[workspace]", "sum[by]")]
        return [*more, with_operators("date", RANGE_OPERATORS), *super()._names()]


class AuditParser(AnswerParser):
    """Takes a workspace, who did it, what it was done to, and when."""

    def __init__(self, resource: Resource, within: tuple[str, ...]) -> None:
        super().__init__(resource, within)
        self.ids: dict[str, UUID] = {}
        self.service: str | None = None
        self.times: dict[Operator, datetime] = {}

    def list_reader(self, name: str) -> Reader | None:
        """Return what reads a parameter; None where there is no such one."""
        readers: dict[str, Reader] = {
            **{f"filter[{known}]": partial(self._id, known) for known in ("workspace", "caller", "resource")},
            "filter[service]": self._service,
            **{f"filter[at][{operator}]": partial(self._time, operator) for operator in RANGE_OPERATORS},
        }
        return readers.get(name) or super().list_reader(name)

    def refuse_together(self) -> None:
        """Refuse filters that no index has together."""
        asked = {*self.ids, *(["service"] if self.service is not None else [])}
        allowed = self.resource.together or ()
        if asked and asked not in allowed:
            sets = "; ".join(" and ".join(f"filter[{name}]" for name in sorted(names)) for names in allowed)
            for name in sorted(asked):
                self.refuse(f"filter[{name}]", f"These filters are for one another, alone or together: {sets}.")

    def _takes_list(self, _name: str) -> bool:
        return _name == "include" or _name.startswith("fields[")

    def _id(self, name: str, value: str) -> None:
        id_ = parse_id(value)
        if id_ is None:
            self.refuse(f"filter[{name}]", "The value must be one uuid.")
        else:
            self.ids[name] = id_

    def _service(self, value: str) -> None:
        if 0 < len(value) <= MAX_FILTER_TEXT:
            self.service = value
        else:
            self.refuse("filter[service]", f"The value must be a text of 1 to {MAX_FILTER_TEXT} characters.")

    def _time(self, operator: Operator, value: str) -> None:
        at = parse_instant(value)
        if at is None:
            form = "a time in ISO 8601 with an offset, such as 2026-05-10T08:14:22.000Z"
            self.refuse(f"filter[at][{operator}]", f"The value must be {form}.")
        else:
            self.times[operator] = at

    def _names(self) -> list[tuple[str, str]]:
        names = (f"filter[{name}]" for name in ("workspace", "caller", "service", "resource"))
        return [*((name, name) for name in names), with_operators("at", RANGE_OPERATORS), *super()._names()]
