"""Whoever is told to send a message again is told that a correction needs a new id: SQS swallows the old one."""

import re

from local.settings import ROOT

REASONS = (ROOT / "layers/console/wellspring_console/static/reasons.js").read_text()
# A reason, what it says, and what to do about it. Those of the feed stand behind them: its queue swallows nothing.
OF_MESSAGES = REASONS.partition("FEED_WORDS")[0]
WORDS = re.findall(r'^  (\w+): \["([^"]+)", "([^"]+)"\],$', OF_MESSAGES, re.MULTILINE)


def test_the_console_says_so_for_each_reason_after_which_a_producer_sends_again() -> None:
    again = {reason: advice for reason, _, advice in WORDS if re.search(r"\bsend\b|\bnew id\b", advice, re.IGNORECASE)}
    assert {"malformed", "tenant_mismatch", "wrong_group", "reused_id", "overtaken", "expired"} <= again.keys()
    assert [reason for reason, advice in again.items() if "new id" not in advice] == []


def test_the_guide_says_so_and_why() -> None:
    guide = " ".join((ROOT / "docs/messages.md").read_text().split())
    assert "A correction needs a new id" in guide
    assert "within five minutes" in guide
