"""One stack for this folder (one for each pytest worker): each client talks to it as to any other JSON:API server."""

from collections.abc import Callable, Iterator
from itertools import count
from uuid import uuid4

import pytest
from sqlalchemy import text

from tests.local.stack_process import StackProcess
from tests.support.databases import engine_for
from tests.support.stack import running

UNUSED_PROVIDERS = """
SELECT id FROM core_api.providers
WHERE pk NOT IN (SELECT provider_pk FROM core_api.workspace_providers)
ORDER BY slug
"""


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackProcess]:
    with running(tmp_path_factory.mktemp("stack")) as started:
        yield started


@pytest.fixture(scope="session")
def api_url(stack: StackProcess) -> str:
    """Where the API is, without a slash at its end."""
    return stack.facts["api_url"]


@pytest.fixture(scope="session")
def group(stack: StackProcess) -> str:
    """The id of the demo's group."""
    return stack.group()


@pytest.fixture(scope="session")
def new_provider(stack: StackProcess) -> Callable[[], str]:
    """Give the id of a provider that nobody has chosen and no test was given before."""
    engine = engine_for(stack.facts["database_url"])
    with engine.connect() as connection:
        ids = [str(found) for found in connection.execute(text(UNUSED_PROVIDERS)).scalars()]
    engine.dispose()
    numbers = count()
    return lambda: ids[next(numbers)]


@pytest.fixture
def nobody() -> str:
    """An id that nothing has."""
    return str(uuid4())
