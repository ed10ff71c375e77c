"""Exactly once under abuse. ABUSE_SEED, ABUSE_MESSAGES and ABUSE_SECONDS choose another run, or a longer one.

`ABUSE_SEED=7 ABUSE_MESSAGES=20000 ABUSE_SECONDS=600 make abuse`
"""

from pathlib import Path

import pytest

from local.settings import number
from tests.abuse.harness import Run
from wellspring import messages

pytestmark = pytest.mark.abuse


def test_every_message_has_its_effect_once_and_in_order_or_is_parked_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed, most = number("ABUSE_SEED", 1, 10**9), number("ABUSE_MESSAGES", 2500, 10**7)
    seconds = number("ABUSE_SECONDS", 30, 10**6)
    verdict = Run(tmp_path, seed=seed, messages=most, seconds=seconds).run()
    with capsys.disabled():
        print(f"\nseed {seed}, {most} messages, {seconds} s\n{verdict.report()}")  # noqa: T201  (half of what the run is for)
    assert not verdict.findings, verdict.report()
    known = messages.schema()["discriminator"]["mapping"].keys()
    assert {send.body["type"] for send in verdict.sends if send.body} == known
