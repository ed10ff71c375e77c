"""The ten questions of docs/agents.md are answered by the demo as the page says."""

import json
import time
from typing import Any

import pytest

from tests.agents.page import QUESTIONS, Question
from tests.local.stack_process import StackProcess, call
from wellspring.agents.protocol import WITH_HANDSHAKE
from wellspring.agents.questions import BY_NAME

SECONDS = 60.0
# All workspaces are counted each minute.
COUNTED_SECONDS = 150.0


def test_the_page_has_ten_questions_and_each_tool_answers_one() -> None:
    assert [question.tool for question in QUESTIONS] == list(BY_NAME)
    assert len(QUESTIONS) == 10
    assert [BY_NAME[question.tool].problems(question.arguments) for question in QUESTIONS] == [[]] * 10


def summary(stack: StackProcess, question: Question) -> str:
    """Ask a question as its principal; return the answer's sentence."""
    params = {"name": question.tool, "arguments": question.arguments}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    headers = {"content-type": "application/json", "mcp-protocol-version": WITH_HANDSHAKE}
    url, body = f"{stack.facts['api_url']}/mcp", json.dumps(message).encode()
    result: Any = call(url, token=stack.token(question.who), data=body, headers=headers).json["result"]
    assert not result["isError"], result
    return str(result["structuredContent"]["summary"])


def until_it_is(stack: StackProcess, question: Question, seconds: float) -> str:
    """Ask until the answer is the page's, as what was sent to the demo comes one by one; return the last answer."""
    deadline = time.monotonic() + seconds
    while (said := summary(stack, question)) != question.answer and time.monotonic() < deadline:
        time.sleep(0.5)
    return said


@pytest.mark.parametrize(
    "question", [question for question in QUESTIONS if question.tool != "fleet"], ids=lambda question: question.tool
)
def test_the_demo_answers_as_the_page_says(stack: StackProcess, question: Question) -> None:
    assert until_it_is(stack, question, SECONDS) == question.answer


@pytest.mark.long
def test_the_demos_fleet_is_told_once_it_was_counted(stack: StackProcess) -> None:
    (question,) = (question for question in QUESTIONS if question.tool == "fleet")
    assert until_it_is(stack, question, COUNTED_SECONDS) == question.answer
