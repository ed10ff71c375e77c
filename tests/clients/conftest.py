"""One stack for this folder (one for each pytest worker): each client talks to it as to any other JSON:API server."""

from collections.abc import Iterator
from typing import Any

import pytest

from local.example_ids import demo_id
from tests.local.stack_process import StackProcess
from tests.support.stack import running

COMPANY = demo_id("company", "a", 7)
CONNECTOR = demo_id("workspace_connector", "a", 2)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackProcess]:
    with running(tmp_path_factory.mktemp("stack")) as started:
        yield started


def ledger_row(direction: str = "input", company: str = COMPANY, connector: str = CONNECTOR) -> dict[str, Any]:
    """Return the resource object of a row that somebody would create."""
    linkage = {"company": company, "workspace_connector": connector}
    return {
        "type": "company_workspace_connector",
        "attributes": {"direction": direction},
        "relationships": {name: {"data": {"type": name, "id": id_}} for name, id_ in linkage.items()},
    }
