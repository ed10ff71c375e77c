"""The cast of the clients' tests: people, rows, and how they read an error."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from wellspring.example_ids import demo_id

__all__ = ["COMPANY", "CONNECTOR", "NOBODY", "WORKSPACE_A", "WORKSPACE_B", "Problem", "problems"]

WORKSPACE_A, WORKSPACE_B = demo_id("workspace", "a"), demo_id("workspace", "b")
COMPANY = demo_id("company", "a", 7)
CONNECTOR = demo_id("workspace_connector", "a", 2)
# An id that nothing has.
NOBODY = str(UUID(int=1))

# Status, code, and what of the request is at fault.
type Problem = tuple[str, str, dict[str, str] | None]


def problems(errors: Iterable[Mapping[str, Any]]) -> list[Problem]:
    """Return what error objects say; each must say it to a person too."""
    told = list(errors)
    assert all(error["id"] and error["title"] and error["detail"] for error in told)
    return [(error["status"], error["code"], error.get("source")) for error in told]
