"""Every function in its container: with its event it answers, and leaves in Postgres, what it does in this process.

What that must be, the tests say that replay the same events in this process.
"""

import json
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest

from local.demo_data import OUTSIDER
from local.example_ids import id_of
from tests.reading.test_events import bring
from tests.sam import service
from tests.sam.conftest import FORGOTTEN, Deployed, begin_anew
from tests.sam.service import MIGRATION
from tests.support.api import invoked
from tests.support.databases import FreshDatabase
from tests.support.events import EVENTS, event, function_of
from tests.support.feed import park
from tests.support.world import World
from tests.sync.test_pruning import Memory
from tests.writing.test_events import BEFORE, REPLAYED

EXPORT, PUBLISH = "maintenance_export", "maintenance_publish"
MIGRATE, BY_HAND = "schema_migrate", "schema_migrate_by_hand"
# What needs no more of AWS than a database.
NAMES = sorted({path.stem for path in EVENTS.glob("*.json")} - {EXPORT, PUBLISH, MIGRATE, BY_HAND})
# What a request is answered with; where nothing is said, with 200. The message is not parked, to be released.
STATUSES = REPLAYED | dict.fromkeys(("sync_message_release", "sync_message_dismiss"), 409) | {"console_asset": 404}
# Times; ids that are made with a row, for those of the demo and of events begin otherwise; and digests, entity tags and
# cursors of what has these.
MADE_UP = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[\d.]*(Z|\+00(:00)?)?"
    r"|(?!01990000)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|\\x[0-9a-f]{64}"
    r"|(?<=etag)\W+[\w.-]{16,}"
    r'|(?<=cursor\\":\\")[\w-]+|(?<=page%5Bafter%5D=)[\w-]+'
)

type Invoke = Callable[[str, Any], Any]


@pytest.fixture(scope="session")
def warm(deployed: Deployed, request: pytest.FixtureRequest) -> None:
    """Containers for the events that are tried, started side by side; there is nothing yet that one could change."""
    tried = [name for item in request.session.items for name in re.findall(r"\[(\w+)\]$", item.name) if name in NAMES]
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        list(threads.map(lambda name: deployed.lambdas.invoke(name, {}), {function_of(name).name for name in tried}))


def asked(name: str) -> list[Any]:
    """Return the event, and before it that of nobody and of a stranger, where it says who asks."""
    own = event(name)
    if "authorizer" not in own.get("requestContext", {}):
        return [own]
    others = [event(name), event(name)]
    for sent, authorizer in zip(others, ({}, {"jwt": {"claims": {"sub": OUTSIDER}}}), strict=True):
        sent["requestContext"]["authorizer"] = authorizer
    return [*others, own]


def in_this_process(name: str, sent: Any) -> Any:
    return json.loads(json.dumps(invoked(function_of(name), sent)))


def outcome(invoke: Invoke, name: str, owner: FreshDatabase) -> tuple[str, dict[str, list[str]]]:
    """Return what a function answers to nobody, to a stranger and to its event, and all rows that it leaves."""
    begin_anew(owner)
    bring(World(owner))
    park(owner, "/well/companies", UUID(id_of("feed_event")))
    Memory(owner).remember(1, "400 days")
    if name in BEFORE:
        assert invoke(BEFORE[name], event(BEFORE[name]))["statusCode"] == 204
    answers = [invoke(name, sent) for sent in asked(name)]
    if "requestContext" in event(name):
        assert answers[-1]["statusCode"] == STATUSES.get(name, 200)
    rows = {}
    for table in FORGOTTEN:
        found = owner.owner.exec_driver_sql(f"SELECT t::text FROM {table} t").scalars()
        rows[table] = sorted(MADE_UP.sub("MADE UP", row) for row in found)
    owner.commit()
    return MADE_UP.sub("MADE UP", json.dumps(answers)), rows


@pytest.mark.usefixtures("warm")
@pytest.mark.parametrize("name", NAMES)
def test_a_container_does_what_this_process_does(
    deployed: Deployed, demo: FreshDatabase, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def in_container(name: str, sent: Any) -> Any:
        return deployed.lambdas.invoke(function_of(name).name, sent)

    for variable in ("ISSUER", "CONSOLE_ISSUER"):
        monkeypatch.setenv(variable, service.ISSUER)
    assert outcome(in_container, name, demo) == outcome(in_this_process, name, demo)


def test_the_export_event_reads_its_workspace_and_looks_for_the_bucket(deployed: Deployed, demo: FreshDatabase) -> None:
    exporter, asked = function_of(EXPORT).name, event(EXPORT)
    never: Any = deployed.lambdas.invoke(exporter, asked | {"workspace": str(uuid4())})
    assert never["errorType"] == "NotFound"
    # There is no S3 here.
    found: Any = deployed.lambdas.invoke(exporter, asked)
    assert found["errorType"] in {"ClientError", "EndpointConnectionError", "NoCredentialsError"}


def test_the_publish_event_finds_nothing_to_publish(deployed: Deployed, demo: FreshDatabase) -> None:
    said: Any = deployed.lambdas.invoke(function_of(PUBLISH).name, event(PUBLISH))
    assert said["EventsPublished"] == said["EventsDropped"] == 0


def test_the_migration_answers_with_the_databases_revision_whoever_calls_and_again_when_it_is_warm(
    deployed: Deployed, owner: FreshDatabase
) -> None:
    asked, (first, second) = event(MIGRATE), deployed.migrated
    (revision,) = owner.owner.exec_driver_sql("SELECT version_num FROM wellspring.alembic_version").scalars()
    by_hand = {"Status": "SUCCESS", "Data": {"Revision": revision}}
    assert deployed.lambdas.invoke(MIGRATION, event(BY_HAND)) == by_hand
    named = {name: asked[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    assert first == second == by_hand | named | {"PhysicalResourceId": asked["LogicalResourceId"]}
