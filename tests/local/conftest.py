"""One queue server for each module, emptied after each test."""

from collections.abc import Iterator

import pytest

from local.queue import QueueServer
from tests.local.queues import Sqs, serve


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QueueServer]:
    with serve(tmp_path_factory.mktemp("queue")) as running:
        yield running


@pytest.fixture
def sqs(server: QueueServer) -> Iterator[Sqs]:
    given = Sqs(server)
    yield given
    for url in (given.url, given.dead_letters):
        given.api.purge_queue(QueueUrl=url)
    given.api.close()
