"""The ten questions of docs/agents.md: who asks, by which tool, with what, and the sentence that answers."""

import json
import re
from dataclasses import dataclass
from typing import Any

from local.settings import ROOT

PAGE = (ROOT / "docs/agents.md").read_text()


@dataclass(frozen=True)
class Question:
    """A row of the page.

    Attributes:
        text: what is asked.
        who: the demo's principal who asks.
        tool: what answers.
        arguments: with what.
        answer: the answer's sentence.
    """

    text: str
    who: str
    tool: str
    arguments: dict[str, Any]
    answer: str


QUESTIONS = [
    Question(text, who, tool, json.loads(arguments), answer)
    for text, who, tool, arguments, answer in re.findall(
        r"^\| ([^|]+) \| `(\w+)` \| `(\w+)` \| `(\{.*?\})` \| ([^|]+) \|$", PAGE, re.MULTILINE
    )
]
