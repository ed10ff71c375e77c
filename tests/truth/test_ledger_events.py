"""The ledger's events: examples, schema, AsyncAPI document and page say what the declarations say; others read them."""

import json
import random
import re
import subprocess
from datetime import datetime, timedelta
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from moto.events.models import EventPattern

from local import asyncapi
from local.example_ids import id_of
from local.generate.events import OUT, outgoing
from local.settings import ROOT
from local.template import _Loader
from tests.support.node import installed
from wellspring import metrics
from wellspring.ledger_events import HEALTH_CHANGED, LEDGER_EVENTS, LedgerEvent, members_of
from wellspring.resources import HEALTH

SCHEMA = json.loads(asyncapi.SCHEMA.read_text())
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)
PAGE = (ROOT / "docs/events.md").read_text()
# A module of Node, which finds the parser beside it.
PARSER = """
import { Parser } from "@asyncapi/parser"
import { readFileSync } from "node:fs"
const { document, diagnostics } = await new Parser().parse(readFileSync(0, "utf8"))
const channels = document?.channels().all().map((each) => [each.id(), each.messages().all().map((one) => one.id())])
console.log(JSON.stringify({ channels, diagnostics }))
"""
each_event = pytest.mark.parametrize("event", LEDGER_EVENTS, ids=lambda event: event.type)


@pytest.mark.parametrize("metric", [n for n in metrics.UNITS if n.startswith(("Events", "OldestUnpublished"))])
def test_the_page_tells_of_every_metric(metric: str) -> None:
    assert f"| `{metric}` | {metrics.UNITS[metric].value.lower()} |" in PAGE


def name_of(event: LedgerEvent) -> str:
    return event.type.removeprefix("wellspring.")


def example_of(event: LedgerEvent) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((OUT / f"{name_of(event)}.json").read_text())
    return found


@each_event
def test_an_example_is_as_the_schema_and_the_declaration_say(event: LedgerEvent) -> None:
    detail = example_of(event)["detail"]
    VALIDATOR.validate(detail)
    assert list(detail["data"]) == [member.name for member in members_of(event)]


@each_event
def test_the_schema_refuses_an_event_that_lacks_a_member(event: LedgerEvent) -> None:
    detail = example_of(event)["detail"]
    for name in detail:
        assert not VALIDATOR.is_valid({member: value for member, value in detail.items() if member != name}), name
    for name in detail["data"]:
        data = {member: value for member, value in detail["data"].items() if member != name}
        assert not VALIDATOR.is_valid(detail | {"data": data}), name


def test_the_schema_refuses_a_health_that_there_is_not() -> None:
    detail = example_of(HEALTH_CHANGED)["detail"]
    assert not VALIDATOR.is_valid(detail | {"data": detail["data"] | {"to": "tired"}})


@each_event
def test_each_type_is_in_the_page_with_all_its_members(event: LedgerEvent) -> None:
    _, _, section = PAGE.partition(f"### {event.type}\n")
    section, _, _ = section.partition("\n### ")
    for member in event.members:
        assert f"`{member.name}`" in section, member.name


# ---- the page's client ----------------------------------------------------------------------------------
def copy_of_the_page() -> Any:
    """Make the client of the page: its code, as it stands there."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102  the page's own
    return names["Copy"]()


def health_of(connector: str, sequence: int, health: str | None, at: datetime) -> str:
    """Return a message of the queue; without health the connector is gone."""
    event = example_of(HEALTH_CHANGED)
    time = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    told = {"subject": connector, "sequence": f"{sequence:019d}", "time": time}
    event["detail"] |= told
    event["detail"]["data"] |= {"to": health} if health else {"to": "disconnected", "link": None}
    return json.dumps(event)


@pytest.mark.parametrize("seed", range(20))
def test_the_pages_client_is_right_whatever_comes_late_twice_or_from_before_its_start(seed: int) -> None:
    chance = random.Random(seed)
    copy, began = copy_of_the_page(), datetime.fromisoformat("2026-05-10T08:00:00Z")
    truth: dict[str, str | None] = {}
    late, bodies = [], []
    for sequence in range(1, 400):
        connector, health = f"connector {chance.randrange(9)}", chance.choice((*HEALTH, None))
        at = began + timedelta(seconds=sequence - 200)
        body = health_of(connector, sequence, health, at)
        if at < began:
            # Before the start: the list has it; some of them come all the same, after those that have come before.
            copy.health |= {connector: health}
            if health is None:
                del copy.health[connector]
            late += [body] if chance.random() < 0.3 else []
        else:
            bodies += [body] * chance.choice((1, 1, 2))
        truth[connector] = health
    copy.since = began
    delivered = late + bodies
    chance.shuffle(delivered)
    for body in [*delivered, json.dumps(example_of(LEDGER_EVENTS[0]))]:
        copy.take(body)
    assert copy.unwell() == {
        connector: health for connector, health in truth.items() if health not in {"ok", "new", None}
    }


# ---- the page's targets ---------------------------------------------------------------------------------
def targets() -> tuple[dict[str, Any], ...]:
    """Return the page's templates: of the queue, the webhook, and the sender with what it takes of the webhook's."""
    texts = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    queue, webhook, sender = (yaml.load(text, Loader=_Loader) for text in texts)  # noqa: S506  a safe loader
    resources = webhook["Resources"] | sender["Resources"]
    parameters = {"EventBus": webhook["Parameters"]["EventBus"], **sender["Parameters"]}
    return queue, webhook, webhook | {"Parameters": parameters, "Resources": resources}


def chosen(template: dict[str, Any]) -> set[str]:
    """Return the types that the rule of a template chooses; a workspace that it asks for is that of the examples."""
    ((rule,),) = ([each for each in template["Resources"].values() if each["Type"] == "AWS::Events::Rule"],)
    pattern = json.dumps(rule["Properties"]["EventPattern"]).replace(
        '{"Ref": "Workspace"}', json.dumps(id_of("workspace"))
    )
    return {
        event["detail-type"] for event in outgoing().values() if EventPattern.load(pattern).matches_event(dict(event))
    }


def test_the_rules_of_the_targets_choose_what_the_page_says() -> None:
    every = {event.type for event in LEDGER_EVENTS}
    queue, webhook, sender = map(chosen, targets())
    assert queue == sender == every
    assert webhook == {name for name in every if name.startswith("wellspring.sync_")} | {HEALTH_CHANGED.type}


def test_a_target_refers_to_nothing_that_its_template_does_not_have() -> None:
    for template in targets():
        found = re.findall(r'"Ref": "(\w+)"|"Fn::GetAtt": \["(\w+)"|\$\{(\w+)\}', json.dumps(template["Resources"]))
        named = {name for each in found for name in each if name}
        assert template["Parameters"].keys() <= named <= template["Parameters"].keys() | template["Resources"].keys()


# ---- others ---------------------------------------------------------------------------------------------
@pytest.mark.outside
def test_asyncapis_own_parser_takes_the_document() -> None:
    modules = installed(ROOT / "tests/clients")
    node = ["node", "--input-type=module", "--eval", PARSER]
    done = subprocess.run(
        node, cwd=modules.parent, input=asyncapi.DOCUMENT.read_bytes(), capture_output=True, check=True
    )
    said = json.loads(done.stdout)
    # Nothing but that 3.1 is newer.
    assert {problem["code"] for problem in said["diagnostics"]} <= {"asyncapi-latest-version"}
    messages = dict(said["channels"])
    assert list(messages) == ["sync", "feed", "bus"]
    assert messages["bus"] == [asyncapi.title(event) for event in LEDGER_EVENTS]


@pytest.mark.outside
@each_event
def test_the_cloudevents_package_reads_and_writes_each_event(event: LedgerEvent) -> None:
    from cloudevents.core.formats.json import JSONFormat  # noqa: PLC0415  of this test only
    from cloudevents.core.v1.event import CloudEvent  # noqa: PLC0415  the same

    detail = example_of(event)["detail"]
    read = JSONFormat().read(CloudEvent, json.dumps(detail))
    assert (read.get_type(), read.get_subject(), read.get_data()) == (event.type, detail["subject"], detail["data"])
    # It writes microseconds.
    again = json.loads(JSONFormat().write(read))
    assert datetime.fromisoformat(again["time"]) == datetime.fromisoformat(detail["time"])
    assert again | {"time": detail["time"]} == detail
