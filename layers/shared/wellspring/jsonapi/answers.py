"""Query parameters of what is answered from sums and from several rows (contract, section 7)."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

from wellspring.errors import raise_all
from wellspring.ids import parse_id
from wellspring.jsonapi.query import (
    A_TIME,
    MAX_FILTER_TEXT,
    PAGES,
    RANGE_OPERATORS,
    Parameter,
    ParsedParameters,
    ids_of,
    not_together,
    of_form,
    one_id_of,
    ranged,
    read,
    refused,
    text_of,
    with_view,
)
from wellspring.jsonapi.values import parse_day, parse_instant
from wellspring.queries import MAX_ACTIVE_CONNECTORS, MAX_DAYS, MAX_SUMMED, ActivityQuery, AnswerQuery, AuditQuery
from wellspring.resources import AUDIT_ENTRY, CONNECTOR_ACTIVITY, Resource

BY_CONNECTOR = "connector"
_ONE_DAY = timedelta(days=1)
# What of a day each operator leaves in: how many days further on it begins or ends.
_FURTHER = {"gte": 0, "gt": 1, "lte": 0, "lt": -1}


def _day(operator: str, value: str) -> date | None:
    day = parse_day(value)
    try:
        return None if day is None else day + _FURTHER[operator] * _ONE_DAY
    except OverflowError:
        return None


_CONNECTORS, _WORKSPACE = "filter[workspace_connector]", "filter[workspace]"
_A_DAY = "a day of UTC, such as 2026-05-10"
_ACTIVITY: Mapping[str, Parameter] = dict(
    (
        of_form("workspace_connector", ids_of, f"one to {MAX_ACTIVE_CONNECTORS} uuids, comma-separated", is_list=True),
        of_form("workspace", one_id_of, "one uuid", is_list=True),
        ("sum[by]", Parameter(lambda value: value == BY_CONNECTOR or None, f"The value must be {BY_CONNECTOR}.")),
        *(ranged("date", operator, partial(_day, operator), _A_DAY) for operator in RANGE_OPERATORS),
        *with_view(CONNECTOR_ACTIVITY, PAGES).items(),
    )
)
_AUDIT: Mapping[str, Parameter] = dict(
    (
        *(of_form(name, parse_id, "one uuid") for name in ("workspace", "caller")),
        of_form("service", text_of, f"a text of 1 to {MAX_FILTER_TEXT} characters"),
        of_form("resource", parse_id, "one uuid"),
        *(ranged("at", operator, parse_instant, A_TIME) for operator in RANGE_OPERATORS),
        *with_view(AUDIT_ENTRY, PAGES).items(),
    )
)


def parse_page(resource: Resource, raw_query: str) -> AnswerQuery:
    """Return what a request for a page of what is neither sorted nor filtered asks for.

    Raises `InvalidQueryParameter`, or `Problems` of several, one for each parameter at fault; so do the others.
    """
    parsed = read(with_view(resource, PAGES), raw_query)
    raise_all(parsed.problems)
    return AnswerQuery(**parsed.paging)


def parse_activity(raw_query: str) -> ActivityQuery:
    """Return what a request for the activity of connectors asks for; without a range, until today."""
    parsed = read(_ACTIVITY, raw_query)
    first, last = _days(parsed)
    _refuse_activity(parsed, (last - first).days)
    raise_all(parsed.problems)
    return ActivityQuery(
        **parsed.paging,
        connectors=parsed.values.get(_CONNECTORS, ()),
        workspace=parsed.values.get(_WORKSPACE),
        first=first,
        last=last,
        is_summed="sum[by]" in parsed.values,
    )


def _refuse_activity(parsed: ParsedParameters, days: int) -> None:
    """Refuse what is not of some connectors, of too many days, or of too many connectors at once."""
    refused_names = (problem.source.get("parameter") for problem in parsed.problems)
    named = {_CONNECTORS, _WORKSPACE} & {*parsed.values, *refused_names}
    if len(named) > 1:
        parsed.problems.append(refused(_WORKSPACE, "Name connectors or a workspace, not both."))
    elif not named:
        detail = f"Activity is of some connectors: name them by {_CONNECTORS}, or all of one workspace by {_WORKSPACE}."
        parsed.problems.append(refused(_CONNECTORS, detail))
    if days >= MAX_DAYS:
        at = next((name for name in parsed.values if name.startswith("filter[date]")), "filter[date][gte]")
        detail = f"The range is of at most {MAX_DAYS} days; where it has no end, it ends today."
        parsed.problems.append(refused(at, detail))
    if "sum[by]" in parsed.values and parsed.paging["size"] > MAX_SUMMED:
        detail = f"A page that is added up has at most {MAX_SUMMED} rows."
        parsed.problems.append(refused("page[size]", detail, "max-size-exceeded", maxSize=MAX_SUMMED))


def _days(parsed: ParsedParameters) -> tuple[date, date]:
    """Return the first and the last day."""
    firsts, lasts = (
        [parsed.values[name] for name in (f"filter[date][{operator}]" for operator in ends) if name in parsed.values]
        for ends in (("gte", "gt"), ("lte", "lt"))
    )
    last = min(lasts) if lasts else max([datetime.now(UTC).date(), *firsts])
    most = min(last - date.min, (MAX_DAYS - 1) * _ONE_DAY)
    return (max(firsts) if firsts else last - most), last


def parse_audit(raw_query: str) -> AuditQuery:
    """Return what a request for who did what asks for."""
    parsed = read(_AUDIT, raw_query)
    named: dict[str, Any] = {
        name: parsed.values[f"filter[{name}]"]
        for name in ("workspace", "caller", "service", "resource")
        if f"filter[{name}]" in parsed.values
    }
    raise_all([*parsed.problems, *not_together(AUDIT_ENTRY, {name: f"filter[{name}]" for name in named})])
    times = ((operator, parsed.values.get(f"filter[at][{operator}]")) for operator in RANGE_OPERATORS)
    return AuditQuery(**parsed.paging, **named, times=tuple((operator, at) for operator, at in times if at is not None))
