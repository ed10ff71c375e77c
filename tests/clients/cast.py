"""The cast of the clients' tests: people, rows, and how they read an error."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

import pytest

from local.example_ids import demo_id

COMPANY = demo_id("company", "a", 7)
CONNECTOR = demo_id("workspace_connector", "a", 2)
# An id that nothing has.
NOBODY = str(UUID(int=1))


def ledger_row(direction: str = "input", company: str = COMPANY, connector: str = CONNECTOR) -> dict[str, Any]:
    """Return the resource object of a row that somebody would create."""
    linkage = {"company": company, "workspace_connector": connector}
    return {
        "type": "company_workspace_connector",
        "attributes": {"direction": direction},
        "relationships": {name: {"data": {"type": name, "id": id_}} for name, id_ in linkage.items()},
    }


# Status, code, and what of the request is at fault.
type Problem = tuple[str, str, dict[str, str] | None]

# What each client is refused: by what it does, who does it and what it must be told.
REFUSED: dict[str, tuple[str, Problem]] = {
    "a path that is not there": ("owner", ("404", "NOT_FOUND", None)),
    "a row of no company": (
        "pipeline",
        ("404", "COMPANY_NOT_FOUND", {"pointer": "/data/relationships/company/data/id"}),
    ),
    "a row that a person writes": ("owner", ("403", "FORBIDDEN", None)),
    "a row of no direction": (
        "pipeline",
        ("422", "SCHEMA_VALIDATION_ERROR", {"pointer": "/data/attributes/direction"}),
    ),
    "a filter that is not there": ("owner", ("400", "INVALID_QUERY_PARAMETER", {"parameter": "filter[colour]"})),
}

each_refusal = pytest.mark.parametrize(
    ("what", "name", "problem"), [(what, *told) for what, told in REFUSED.items()], ids=list(REFUSED)
)


def problems(errors: Iterable[Mapping[str, Any]]) -> list[Problem]:
    """Return what error objects say; each must say it to a person too."""
    told = list(errors)
    assert all(error["id"] and error["title"] and error["detail"] for error in told)
    return [(error["status"], error["code"], error.get("source")) for error in told]
