"""Snapshots of the package, applied by the consumer: what is gone ends, and never by a run that broke off."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from tests.producer.conftest import URL, FakeSqs
from tests.support.databases import CONSUMER
from tests.support.queue import delivery, replay
from tests.support.world import Row, World
from tests.sync.conftest import Ledger
from wellspring_producer import Connector, Snapshot

WHOLE = Snapshot("input", ["company"])


class Scene:
    def __init__(self, world: World) -> None:
        workspace = world.workspace()
        self.connector, self.companies = world.workspace_connector(workspace), world.companies(workspace, 30)
        self.ledger, self.sqs = Ledger(world.database), FakeSqs()
        self.producer = Connector(URL, self.connector.id, sqs=self.sqs, progress=lambda _: None)
        world.database.role = CONSUMER

    def sync(self, name: str, companies: Sequence[Row], snapshot: Snapshot = WHOLE) -> None:
        with self.producer.run(name, snapshot=snapshot) as run:
            for company in companies:
                run.company(company.id)
        sent = [
            delivery(entry["MessageBody"], entry["MessageGroupId"], number)
            for number, entry in enumerate(self.sqs.taken)
        ]
        assert replay({"Records": sent}) == []
        self.sqs.taken.clear()


@pytest.fixture
def scene(world: World) -> Scene:
    return Scene(world)


def test_what_a_whole_run_did_not_name_ends_and_a_broken_one_ends_nothing(scene: Scene) -> None:
    ledger, companies = scene.ledger, scene.companies
    scene.sync("2026-11-21", companies)
    # What is younger than the reading, clocks aside, is nobody's to end.
    ledger.sql(
        "UPDATE core_api.company_workspace_connectors"
        " SET created_at = created_at - interval '1 hour', updated_at = updated_at - interval '1 hour'"
    )
    broken = scene.producer.run("2026-11-22", snapshot=WHOLE)
    with pytest.raises(ConnectionResetError), broken:  # noqa: PT012  the block is the test
        broken.company(companies[0].id)
        raise ConnectionResetError
    assert scene.sqs.taken == []
    assert set(ledger.live()) == {company.id for company in companies}
    scene.sync("2026-11-23", companies[:-1])
    assert set(ledger.live()) == {company.id for company in companies[:-1]}
    assert set(ledger.reasons()) == {None}


def test_whoever_begins_again_behind_the_end_says_when_the_source_was_read_and_changes_nothing(scene: Scene) -> None:
    """A crash behind `run.completed`, before anybody noted that it was sent: the guide says what to pass then."""
    noted, ledger = Snapshot("input", ["company"], datetime.now(UTC)), scene.ledger
    for _ in range(2):
        scene.sync("2026-11-21", scene.companies, noted)
    assert {message.outcome for message in ledger.messages().values()} == {"applied"}
    assert len(ledger.messages()) == 2
    # Of another reading it is another end of the run, which is over: told, and without effect.
    before = ledger.rows(scene.connector)
    scene.sync("2026-11-21", scene.companies)
    parked = [message.reason for message in ledger.messages().values() if message.outcome == "parked"]
    assert parked == ["completed_run"]
    assert ledger.rows(scene.connector) == before
