"""The smoke test of deployments, against a stack that does what a deployment does, and against one that does not."""

import json
from collections.abc import Iterator

import pytest

from local.smoke import Deployment, SmokeError, check
from tests.local.stack_process import StackProcess
from tests.support.stack import running
from wellspring.example_ids import demo_id

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackProcess]:
    with running(tmp_path_factory.mktemp("smoke")) as started:
        yield started


def deployment(stack: StackProcess, token: str) -> Deployment:
    return Deployment(stack.facts["api_url"], token, lambda entry: stack.send(json.loads(entry.body)))


def test_a_stack_that_works_passes(stack: StackProcess) -> None:
    tried = deployment(stack, stack.token("pipeline"))
    connector, company = demo_id("workspace_connector", "a", 1), demo_id("company", "a", 1)
    assert check(tried, connector, company) == ["health", "list", "sync message"]
    # And once more: each run sends a message of its own.
    assert check(tried, connector, company) == ["health", "list", "sync message"]


def test_without_a_connector_no_message_is_sent(stack: StackProcess) -> None:
    assert check(deployment(stack, stack.token("pipeline"))) == ["health", "list"]


def test_a_token_that_is_refused_fails(stack: StackProcess) -> None:
    with pytest.raises(SmokeError, match=r"401 from .*/v1/company-workspace-connectors"):
        check(deployment(stack, "nobodys"))


def test_a_message_without_effect_fails(stack: StackProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.smoke.SECONDS", 0)
    lost = Deployment(stack.facts["api_url"], stack.token("pipeline"), lambda _: None)
    with pytest.raises(SmokeError, match="no effect"):
        check(lost, demo_id("workspace_connector", "a", 1), demo_id("company", "a", 1))
