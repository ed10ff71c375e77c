"""The verdict: what became of every message, and what of it must not be."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.abuse.ledger import Ledger
from tests.abuse.plan import Send, effective

TOLD = 10


def errors(lines: Iterable[str]) -> Iterator[str]:
    """Yield what of a log is an error, and is none that must be said where Postgres is away for a moment."""
    for line in lines:
        try:
            said = json.loads(line)
        except ValueError:
            # Whoever is killed does not end its line.
            if not line.startswith("{"):
                yield line
            continue
        # What settles does it again a minute later.
        settles = "step" in said or said.get("message") == "settling failed"
        foreseen = said.get("outcome") == "parked" or (settles and said.get("code") == "SERVICE_UNAVAILABLE")
        if said.get("level") in {"ERROR", "CRITICAL"} and not foreseen:
            yield line


@dataclass
class Verdict:
    """Judges what one run leaves behind.

    Attributes:
        sends: what was sent, and what nobody sent again though its record has come.
        twin: of a database to which the same has happened in peace, and in order.
        problems: what else is wrong, by its kind.
        did: what was done to the system, and what became of it, in numbers.
        findings: what is wrong, by kind; nothing, if all is well.
    """

    sends: Sequence[Send]
    after: Ledger
    twin: Ledger
    problems: Mapping[str, Sequence[str]]
    did: Counter[str]
    findings: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self.findings |= {kind: list(problems) for kind, problems in self.problems.items() if problems}
        after, twin = self.after, self.twin
        # Bodies whose record has come, and those of them that may not be applied any more.
        mended = {send.digest for send in self.sends if send.is_mended}
        overtaken = mended & after.overtaken()
        # Each message has one row, and nothing else has one.
        good = Counter({send.id for send in effective(self.sends, overtaken)})
        self._compare("applied", good, after.applied)
        wanted = {
            (send.digest, "overtaken" if send.digest in overtaken else send.reason)
            for send in self.sends
            if send.body is None and send.digest not in mended - overtaken
        }
        self._compare("parked", Counter(wanted), after.parked)
        odd = Counter(str(message) for message in after.messages if message.outcome not in {"applied", "parked"})
        self._compare("neither applied nor parked", Counter(), odd)
        # The ledger is that of the twin.
        self._compare("rows", twin.rows, after.rows)
        self._compare("other rows", twin.others, after.others)
        self._compare("counts", twin.counts, after.counts)
        self._compare("sums", Counter(), Counter((*after.differences, *twin.differences)))
        self.did += {"messages applied": good.total(), "messages applied at last": len(mended - overtaken)}
        self.did += Counter(f"parked: {reason}" for _, reason in after.parked.elements())
        self.did["rows"] = after.rows.total()

    def _compare(self, kind: str, wanted: Counter[Any], got: Counter[Any]) -> None:
        """Find what is lost, and what there is too much of."""
        for what, number in (wanted - got).items():
            self.findings[kind].append(f"{number} too few of {what}")
        for what, number in (got - wanted).items():
            self.findings[kind].append(f"{number} too many of {what}")

    def report(self) -> str:
        lines = [f"  {number:6}  {what}" for what, number in sorted(self.did.items())]
        lines += ["  what is wrong:" if self.findings else "  nothing is wrong"]
        for kind, texts in sorted(self.findings.items()):
            lines += [f"    {kind} ({len(texts)}): {text}" for text in texts[:TOLD]]
        return "\n".join(lines)
