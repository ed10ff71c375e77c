"""The verdict: what became of every message, and what of it must not be."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.abuse.ledger import Ledger
from tests.abuse.plan import Send, effective

TOLD = 10
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass
class Verdict:
    """Judges what one run leaves behind.

    Attributes:
        sends: what was sent, and what nobody sent again though its record has come.
        dead: the dead letters.
        log: the lines of consumers, of what settles, and of ghosts.
        twin: of a database to which the same has happened in peace, and in order.
        problems: what else is wrong, by its kind.
        did: what was done to the system, in numbers.
        findings: what is wrong, by kind; nothing, if all is well.
        found: what became of the messages, in numbers.
    """

    sends: Sequence[Send]
    dead: Sequence[str]
    log: Sequence[str]
    before: Ledger
    after: Ledger
    twin: Ledger
    problems: Mapping[str, Sequence[str]]
    drained: bool
    did: Counter[str]
    findings: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    found: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        # Bodies whose record has come, and those of them that may not be applied any more.
        self._mended = {send.digest for send in self.sends if send.is_mended}
        self._overtaken = self._mended & self.after.overtaken()
        if not self.drained:
            self._find("stuck", "the queue was not worked off, or a consumer did not come to its end")
            return
        for kind, problems in self.problems.items():
            for problem in problems:
                self._find(kind, problem)
        for line in self.log:
            self._read(line)
        # Nothing that is done to the system is so bad that a message may end there.
        self.findings |= {"dead": list(self.dead)} if self.dead else {}
        self._judge_messages()
        self._judge_ledger()

    def _find(self, kind: str, text: str) -> None:
        self.findings[kind].append(text)

    def _compare(self, missing: str, odd: str, wanted: Counter[Any], got: Counter[Any]) -> None:
        """Find what there is too little of, and what there is too much of."""
        for what, number in (wanted - got).items():
            self._find(missing, f"{number} too few of {what}")
        for what, number in (got - wanted).items():
            self._find(odd, f"{number} too many of {what}")

    def _read(self, line: str) -> None:
        try:
            said = json.loads(line)
        except ValueError:
            self._find("log", f"not a log line: {line}")
            return
        # What settles says so where its connection was lost, and does it again a minute later.
        foreseen = said.get("outcome") == "parked" or ("step" in said and said.get("code") == "SERVICE_UNAVAILABLE")
        if said.get("level") in {"ERROR", "CRITICAL"} and not foreseen:
            self._find("log", line)
        if "outcome" in said:
            self.found[f"log: {said['outcome']}"] += 1

    def _judge_messages(self) -> None:
        """Hold the messages' rows to what was sent: each message has one, and nothing else has one."""
        good = {send.id for send in effective(self.sends, self._overtaken)}
        for id_, times in self.after.applied.items():
            if times > 1:
                self._find("twice", f"was applied {times} times: {id_}")
        self._compare("lost", "messages", Counter(good), Counter(self.after.applied.keys()))
        wanted = {
            (send.digest, "overtaken" if send.digest in self._overtaken else send.reason)
            for send in self.sends
            if send.body is None and send.digest not in self._mended - self._overtaken
        }
        self._compare("lost", "parked", Counter(wanted), self.after.parked)
        for message in self.after.messages:
            if message.outcome not in {"applied", "parked"}:
                self._find("messages", f"is neither applied nor parked: {message}")
        self.found["messages"] = len(good)
        self.found["messages applied when their record had come"] = len(self._mended - self._overtaken)
        self.found += Counter(f"parked: {reason}" for _, reason in self.after.parked.elements())

    def _judge_ledger(self) -> None:
        """Hold the ledger to that of the twin, and what nobody may touch to what it was."""
        before, after, twin = self.before, self.after, self.twin
        self._compare("lost", "doubled", twin.rows, after.rows)
        self._compare("lost", "made", Counter(twin.records.items()), Counter(after.records.items()))
        self._compare("made", "made", twin.made, after.made)
        self._compare("rows", "rows", Counter(twin.choices), Counter(after.choices))
        for difference in (*after.differences, *twin.differences):
            self._find("sums", difference)
        for row in before.untouchable - after.untouchable:
            self._find("foreign", f"touched, and nobody may: {row}")
        new = {id_ for _, id_ in after.records.keys() - before.records.keys()}
        for row in after.untouchable - before.untouchable:
            if new.isdisjoint(_ID.findall(row)):
                self._find("foreign", f"made, and nobody may: {row}")
        self.found["rows"] = after.rows.total()
        self.found["rows, live"] = sum(number for (_, life), number in after.rows.items() if life[1] is None)
        self.found["records made"] = len(new)

    def report(self) -> str:
        """Return what was done to the system, and what was found."""
        lines: list[str] = []
        for title, numbers in (("what was done to it", self.did), ("what became of it", self.found)):
            lines += [f"  {title}:", *(f"    {number:6}  {what}" for what, number in sorted(numbers.items()))]
        lines += ["  what is wrong:" if self.findings else "  nothing is wrong"]
        for kind, texts in sorted(self.findings.items()):
            lines += [f"    {kind} ({len(texts)}): {text}" for text in texts[:TOLD]]
        return "\n".join(lines)
