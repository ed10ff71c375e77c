"""Context of the generated clients' programs, and what they must have seen."""

import json
from typing import Any

from local.settings import ROOT
from tests.clients.conftest import COMPANY, CONNECTOR
from tests.local.stack_process import StackProcess

DOCUMENT = ROOT / "docs/openapi.json"


def cast(stack: StackProcess) -> str:
    """Return whom and what a program speaks of, as JSON."""
    return json.dumps(
        {
            "url": stack.facts["api_url"],
            "tokens": {name: stack.token(name) for name in ("owner", "pipeline")},
            "company": COMPANY,
            "connector": CONNECTOR,
        }
    )


def check(told: dict[str, Any], stack: StackProcess, before: list[dict[str, Any]]) -> None:
    """Check what a program told: its walk of all pages, its create and 412, and its 401 of the gateway.

    Args:
        told: what it printed.
        stack: the stack it ran against.
        before: the rows that the owner saw before it ran.
    """
    assert told["walk"]["ids"] == [row["id"] for row in before]
    assert len(before) > 100
    assert "Alder Trading" in told["walk"]["names"]
    assert told["write"] == {
        "status": 201,
        "direction": "input",
        "first": 200,
        "stale": 412,
        "code": "PRECONDITION_FAILED",
    }
    assert told["stranger"] == {"status": 401, "message": "Unauthorized"}
    # What the program wrote and ended is a dead row now.
    assert [row["id"] for row in stack.rows("owner", "company")] == told["walk"]["ids"]
