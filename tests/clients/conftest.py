"""One stack for this folder (one for each pytest worker): each client talks to it as to any other JSON:API server."""

from collections.abc import Iterator

import pytest

from tests.local.stack_process import StackProcess
from tests.support.stack import running


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackProcess]:
    with running(tmp_path_factory.mktemp("stack")) as started:
        yield started


@pytest.fixture(scope="session")
def api_url(stack: StackProcess) -> str:
    """Where the API is, without a slash at its end."""
    return stack.facts["api_url"]
