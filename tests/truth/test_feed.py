"""docs/feed.md and docs/feed.schema.json say what the feed does."""

import json
import re
from pathlib import Path

import jsonschema
import pytest

from tests.feed.conftest import Tables
from tests.support.databases import Database
from wellspring import feed_events, metrics
from wellspring.repositories.feed.applying import FED
from wellspring.services.feed import FeedEvent, Malformed

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "feed.md").read_text()
SCHEMA = json.loads((DOCS / "feed.schema.json").read_text())
EXAMPLES = [json.loads(line) for line in re.findall(r"^\{.*\}$", PAGE, re.MULTILINE)]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["type"])
def test_every_example_is_an_event_by_model_and_schema(example: object) -> None:
    assert isinstance(feed_events.parse_event(example), FeedEvent)
    jsonschema.validate(example, SCHEMA)


def test_there_is_an_example_of_each_type() -> None:
    upserts = {example["type"] for example in EXAMPLES if example["type"].endswith(".upserted")}
    assert {f"wellspring.{type_}.upserted" for type_ in ("workspace", "people", "company", "account")} <= upserts
    assert {f"wellspring.{type_}.upserted" for type_ in FED if type_ in PAGE} == upserts
    assert {"wellspring.company.deleted", "wellspring.people.erased"} <= {example["type"] for example in EXAMPLES}


@pytest.mark.parametrize("type_", FED)
def test_every_type_that_is_written_can_be_told(type_: str) -> None:
    said = {"specversion": "1.0", "id": "1", "source": "/a", "subject": "01990000-0001-7000-8000-a00000000001"}
    deleted = said | {"sequence": "1", "type": f"wellspring.{type_}.deleted"}
    assert isinstance(feed_events.parse_event(deleted), FeedEvent)
    empty = feed_events.parse_event(deleted | {"type": f"wellspring.{type_}.upserted"})
    assert isinstance(empty, Malformed)
    assert [problem["pointer"] for problem in empty.problems] == ["/data"]


@pytest.mark.parametrize("metric", [name for name in metrics.UNITS if name.startswith("Feed")])
def test_every_metric_is_documented(metric: str) -> None:
    assert f"| `{metric}` |" in PAGE


def test_the_trigger_of_the_page_tells_of_each_change(database: Database) -> None:
    tables = Tables(database)
    (sql,) = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
    run = database.owner.exec_driver_sql
    run("CREATE SCHEMA theirs")
    run("SET LOCAL search_path = theirs")
    run("CREATE TABLE companies (id uuid PRIMARY KEY, name text, workspace_id uuid, deleted_at timestamptz)")
    for statement in re.split(r";\n(?=\n|CREATE|ALTER|$)", sql):
        if statement.strip():
            run(statement.strip().replace("%", "%%"))
    company, home = "01990000-0003-7000-8000-a00000000001", "01990000-0001-7000-8000-a00000000001"
    run("INSERT INTO companies VALUES (%s, 'Alder', %s)", (company, home))
    run("UPDATE companies SET name = 'Birch'")
    run("UPDATE companies SET deleted_at = now()")
    told = [feed_events.parse_event(row.event) for row in tables.sql("SELECT event FROM outbox ORDER BY pk")]
    assert [(event.action, event.version) for event in told if isinstance(event, FeedEvent)] == [
        ("upsert", 1),
        ("upsert", 2),
        ("delete", 3),
    ]
