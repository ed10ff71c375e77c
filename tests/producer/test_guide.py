"""docs/messages.md opens with the package, and its lines work as they stand."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import boto3
import pytest
from moto import mock_aws
from sqlalchemy import text

import wellspring_producer
from local.settings import ROOT
from tests.producer.conftest import URL, FakeSqs
from tests.support.databases import CONSUMER
from tests.support.queue import consume, delivery, replay
from tests.support.world import World
from tests.sync.conftest import Ledger
from wellspring_producer import Connector, Snapshot
from wellspring_producer.messages import MOST_BYTES, MOST_COMPLETED, MOST_RECORDS
from wellspring_producer.sending import ATTEMPTS, LONGEST_PAUSE_SECONDS

GUIDE = (ROOT / "docs/messages.md").read_text()
LINES = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)


@dataclass(frozen=True)
class Company:
    id: UUID
    name: str


COMPANIES = [Company(uuid4(), f"Company {number} \N{MONEY BAG}") for number in range(3500)]


def understood(sqs: Any, url: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while received := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"]).get("Messages"):
        for message in received:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            found.append(delivery(message["Body"], message["Attributes"]["MessageGroupId"], len(found)))
    return found


@pytest.fixture
def aws() -> Iterator[None]:
    with mock_aws():
        yield


@pytest.mark.usefixtures("aws")
def test_the_guides_lines_send_what_the_consumer_applies(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("DEFAULT_REGION", "eu-west-1"), ("ACCESS_KEY_ID", "test"), ("SECRET_ACCESS_KEY", "test")):
        monkeypatch.setenv(f"AWS_{name}", value)
    sqs = boto3.client("sqs")
    url = sqs.create_queue(
        QueueName="sync.fifo", Attributes={"FifoQueue": "true", "MaximumMessageSize": str(MOST_BYTES)}
    )["QueueUrl"]
    workspace, provider = world.workspace(), world.provider("stripe")
    told = {
        "queue_url": url,
        "workspace_connector_id": world.workspace_connector(workspace).id,
        "workspace_id": workspace.id,
        "provider_id": provider.id,
        "company_id": COMPANIES[0].id,
        "crm": SimpleNamespace(companies=lambda: iter(COMPANIES)),
    }
    world.database.role = CONSUMER
    ledger = Ledger(world.database)
    syncing, others = LINES

    exec(syncing, told)  # noqa: S102  what the page shows is what runs
    messages = understood(sqs, url)
    assert len(messages) > 1
    assert replay({"Records": messages}) == []
    assert ledger.live() == dict.fromkeys((company.id for company in COMPANIES), 1)

    exec(others, told)  # noqa: S102  the same
    assert replay({"Records": understood(sqs, url)}) == []
    assert not ledger.live()
    assert set(ledger.reasons()) == {None}
    matched = world.database.owner.execute(text("SELECT count(*) FROM core_api.workspace_providers WHERE is_matched"))
    assert matched.scalar() == 1


def test_the_guide_begins_with_ten_lines_at_most_and_the_packages_own_page_has_the_same() -> None:
    assert len(LINES[0].splitlines()) <= 10
    assert f"```python\n{LINES[0]}```" in (ROOT / "producer/README.md").read_text()
    assert GUIDE.index("## Sending with Python") == GUIDE.index("\n## ") + 1


def test_the_guide_says_what_the_package_does() -> None:
    guide = " ".join(GUIDE.partition("## Sending with Python")[2].partition("\n## ")[0].split())
    assert ATTEMPTS == 10
    assert "tried ten times" in guide
    assert f"grow to {LONGEST_PAUSE_SECONDS:.0f} seconds" in guide
    assert f"at most {MOST_COMPLETED:,} messages, {MOST_COMPLETED * MOST_RECORDS // 10**6} million records" in guide
    for name in re.findall(r"`(\w+[A-Z]\w+)`", guide):
        assert hasattr(wellspring_producer, name) or name == "Failed", name


def test_whoever_begins_again_behind_the_end_says_when_the_source_was_read_and_changes_nothing(world: World) -> None:
    """A crash behind `run.completed`, before anybody noted that it was sent: the guide says what to pass then."""
    workspace = world.workspace()
    connector, companies = world.workspace_connector(workspace), world.companies(workspace, 30)
    ledger = Ledger(world.database)
    world.database.role = CONSUMER

    def sync(*read_since: datetime) -> None:
        sqs = FakeSqs()
        producer = Connector(URL, connector.id, sqs=sqs, progress=lambda _: None)
        with producer.run("2026-11-21", snapshot=Snapshot("input", ["company"], *read_since)) as run:
            for company in companies:
                run.company(company.id)
        assert consume(*sqs.bodies) == []

    noted = datetime.now(UTC)
    sync(noted)
    sync(noted)
    assert [message.outcome for message in ledger.messages().values()] == ["applied"] * 2
    # Of another reading it is another end of the run, which is over: told, and without effect.
    before = ledger.rows(connector)
    sync()
    assert ledger.reasons() == {None: 2, "completed_run": 1}
    assert ledger.rows(connector) == before
