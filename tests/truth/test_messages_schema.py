"""The JSON Schema of the messages is that of the models, and takes and refuses what they do."""

import json
import re
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator, oas31_format_checker

from local import demo_data
from local.settings import ROOT
from tests.support.queue import is_understood
from tests.sync.test_messages import COMPLETED, DISCONNECTED, GUIDE, INVALIDATED, MATCHED, REVERTED, WHOLE

FILE = ROOT / "docs/messages.schema.json"
VALIDATOR = OAS31Validator(json.loads(FILE.read_text()), format_checker=oas31_format_checker)
# Those of messages over HTTP are requests.
OF_HTTP = ("sync_message_", "sync_run_")
EVENTS = [path for path in sorted((ROOT / "events").glob("sync_*.json")) if not path.name.startswith(OF_HTTP)]
BODIES = [WHOLE, INVALIDATED, DISCONNECTED, MATCHED, COMPLETED, REVERTED]


def is_valid(text: str) -> bool:
    try:
        body = json.loads(text)
    except ValueError:
        return False
    return bool(VALIDATOR.is_valid(body))


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_it_takes_of_the_events_what_the_consumer_takes(path: Any) -> None:
    for record in json.loads(path.read_text())["Records"]:
        assert is_valid(record["body"]) == is_understood(record["body"])


def test_it_takes_the_examples_of_the_guide_and_the_demos_messages() -> None:
    examples = [json.loads(example) for example in re.findall(r"```json\n(.*?)```", GUIDE, re.DOTALL)]
    for body in (*examples, *demo_data.messages(), *demo_data.matches()):
        VALIDATOR.validate(body)
    assert {example["type"] for example in examples} == {body["type"] for body in BODIES}


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body["type"])
def test_it_refuses_what_the_consumer_refuses(body: dict[str, Any]) -> None:
    assert is_valid(json.dumps(body))
    for member in body:
        without = {name: value for name, value in body.items() if name != member}
        values: list[Any] = [None, 7, "x", [], {}, ["x"]]
        for wrong in [without, *(body | {member: value} for value in values)]:
            text = json.dumps(wrong)
            assert is_valid(text) == is_understood(text), text
