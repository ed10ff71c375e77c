"""Snapshots of the package, applied by the consumer: what is gone ends, and never by a run that broke off."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from tests.producer.queues import URL, FakeSqs
from tests.support.databases import CONSUMER
from tests.support.queue import delivery, replay
from tests.support.world import Row, World
from tests.sync.conftest import Ledger
from wellspring_producer import Connector, Run, Snapshot

WHOLE = Snapshot("input", ["company"])


def read(run: Run, companies: Sequence[Row]) -> None:
    with run:
        for company in companies:
            run.company(company.id)


def consume(sqs: FakeSqs) -> None:
    records = [
        delivery(entry["MessageBody"], entry["MessageGroupId"], number) for number, entry in enumerate(sqs.taken)
    ]
    assert replay({"Records": records}) == []
    sqs.taken.clear()


def test_what_a_whole_run_did_not_name_ends_and_a_broken_one_ends_nothing(world: World) -> None:
    workspace = world.workspace()
    connector, companies = world.workspace_connector(workspace), world.companies(workspace, 30)
    world.database.role = CONSUMER
    ledger, sqs = Ledger(world.database), FakeSqs()
    sender = Connector(URL, connector.id, sqs=sqs, progress=lambda _: None)
    read(sender.run("2026-11-21", snapshot=WHOLE), companies)
    consume(sqs)
    # What is younger than the reading, clocks aside, is nobody's to end.
    world.database.owner.execute(
        text(
            "UPDATE core_api.company_workspace_connectors"
            " SET created_at = created_at - interval '1 hour', updated_at = updated_at - interval '1 hour'"
        )
    )
    world.database.commit()

    broken = sender.run("2026-11-22", snapshot=WHOLE)
    with pytest.raises(ConnectionResetError), broken:  # noqa: PT012  the block is the test
        broken.company(companies[0].id)
        raise ConnectionResetError
    assert sqs.taken == []
    assert set(ledger.live()) == {company.id for company in companies}

    read(sender.run("2026-11-23", snapshot=WHOLE), companies[:-1])
    consume(sqs)
    assert set(ledger.live()) == {company.id for company in companies[:-1]}
    assert set(ledger.reasons()) == {None}


def test_whoever_begins_again_behind_the_end_says_when_the_source_was_read_and_changes_nothing(world: World) -> None:
    """A crash behind `run.completed`, before anybody noted that it was sent: the guide says what to pass then."""
    workspace = world.workspace()
    connector, companies = world.workspace_connector(workspace), world.companies(workspace, 3)
    world.database.role = CONSUMER
    ledger, sqs = Ledger(world.database), FakeSqs()
    sender = Connector(URL, connector.id, sqs=sqs, progress=lambda _: None)
    noted = Snapshot("input", ["company"], datetime.now(UTC))
    for _ in range(2):
        read(sender.run("2026-11-21", snapshot=noted), companies)
        consume(sqs)
    assert {message.outcome for message in ledger.messages().values()} == {"applied"}
    assert len(ledger.messages()) == 2
    # Of another reading it is another end of the run, which is over: told, and without effect.
    before = ledger.rows(connector)
    read(sender.run("2026-11-21", snapshot=WHOLE), companies)
    consume(sqs)
    parked = [message.reason for message in ledger.messages().values() if message.outcome == "parked"]
    assert parked == ["completed_run"]
    assert ledger.rows(connector) == before
