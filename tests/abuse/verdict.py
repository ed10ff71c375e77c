"""The verdict: what became of every message, and what of it must not be."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from tests.abuse.harness import OVERTAKEN, Evidence
from tests.abuse.ledger import Place
from tests.abuse.plan import Send, effective

TOLD = 10
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Verdict:
    """Judges the evidence of one run.

    Attributes:
        findings: what is wrong, by kind; nothing, if all is well.
        found: what became of the messages, in numbers.
        overtaken: how many consumers were frozen until others had their messages, and went on with them.
    """

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self.findings: dict[str, list[str]] = defaultdict(list)
        self.found: Counter[str] = Counter()
        self.overtaken = evidence.did[OVERTAKEN]
        # By SQS id, and of what settles, which knows of no delivery, by the message's own.
        self._lines: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        # Bodies whose record has come, and those of them that may not be applied any more.
        self._mended = {send.digest for send in evidence.sends if send.is_mended}
        self._overtaken = self._mended & evidence.after.overtaken()
        if not evidence.drained:
            self._find("stuck", "the queue was not worked off, or a consumer did not come to its end")
            return
        for kind, problems in evidence.problems.items():
            for problem in problems:
                self._find(kind, problem)
        for line in evidence.log:
            self._read(line)
        for sqs_id, send in self._sent():
            self._judge(sqs_id, send)
        # Nothing that is done to the system is so bad that a message may end there.
        for sqs_id, times in evidence.dead.items():
            self._find("dead", f"is a dead letter {times} times: {sqs_id}, {self._told(sqs_id)}")
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

    def _sent(self) -> Iterator[tuple[str, Send]]:
        """Yield what was sent with its SQS id; what was released by itself comes last, for it was not sent again."""
        sent = len(self._evidence.sqs_ids)
        yield from zip(self._evidence.sqs_ids, self._evidence.sends[:sent], strict=True)
        for send in self._evidence.sends[sent:]:
            yield "", send

    # ---- what was said ----------------------------------------------------------------------------------
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
            self._lines[said.get("sqs_message_id") or said["message_id"]].append(said)
            self.found[f"log: {said['outcome']}"] += 1

    def _told(self, *ids: str) -> list[str]:
        return [f"{line['outcome']}@{line.get('receives')}" for id_ in ids for line in self._lines[id_]]

    # ---- each message -----------------------------------------------------------------------------------
    def _judge(self, sqs_id: str, send: Send) -> None:
        lines = self._lines[sqs_id or send.id]
        outcomes = {line["outcome"] for line in lines}
        reasons = {str(line["reason"]) for line in lines if line["outcome"] == "parked"}
        is_overtaken, is_mended = send.digest in self._overtaken, send.digest in self._mended - self._overtaken
        done, wrong = {"applied", "duplicate"}, outcomes & {"parked"}
        if send.body is None or is_overtaken:
            # One that was parked by another delivery, or by another of the same body, may be told as a duplicate.
            done, wrong = {"parked", "duplicate"}, outcomes - {"parked", "duplicate", "held", "returned"}
            wrong -= {"applied"} if is_mended else set()
        if wrong or reasons - {send.reason, "overtaken" if is_overtaken else send.reason}:
            self._find("parked", f"was {outcomes} for {reasons}, and is to be {done} ({send.reason}): {lines}")
        # Nobody settles again what was settled when its process was killed: then no line tells of it.
        if sqs_id and not outcomes & done:
            self._find("untold", f"was {outcomes}, and no line says one of {done}: {sqs_id}")

    # ---- all together -----------------------------------------------------------------------------------
    def _judge_messages(self) -> None:
        """Hold the messages' rows to what was sent: each message has one, and nothing else has one."""
        after, sends = self._evidence.after, self._evidence.sends
        good = {send.id for send in effective(sends, self._overtaken)}
        for id_ in good - after.applied.keys():
            self._find("lost", f"is not applied: {id_}")
        for id_ in after.applied.keys() - good:
            self._find("messages", f"is applied, and nobody sent it: {id_}")
        told = Counter(line["message_id"] for lines in self._lines.values() for line in lines if _is_applied(line))
        for id_, times in [*after.applied.items(), *told.items()]:
            if times > 1:
                self._find("twice", f"was applied {times} times: {id_}")
        wanted = {
            (send.digest, "overtaken" if send.digest in self._overtaken else send.reason)
            for send in sends
            if send.body is None and send.digest not in self._mended - self._overtaken
        }
        self._compare("lost", "parked", Counter(wanted), after.parked)
        for message in after.messages:
            if message.outcome not in {"applied", "parked"}:
                self._find("messages", f"is neither applied nor parked: {message}")
        self.found["messages"] = len(good)
        self.found["messages applied when their record had come"] = len(self._mended - self._overtaken)
        for (_, reason), number in after.parked.items():
            self.found[f"parked: {reason}"] += number

    def _judge_ledger(self) -> None:
        """Hold the ledger to that of the twin, and what nobody may touch to what it was."""
        before, after, twin = self._evidence.before, self._evidence.after, self._evidence.twin
        for key in after.rows.keys() | twin.rows.keys():
            wanted, got = twin.rows[key], after.rows[key]
            if wanted != got:
                self._find("rows", f"{got} rows and not {wanted} of {key}: {self._history(key[0])}")
        self._compare("lost", "doubled", _by_place(twin), _by_place(after))
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

    def _history(self, place: Place) -> str:
        """Return what was sent about `place`, in its order: what each was, and what became of it."""
        told = []
        type_, record, connector, direction = place
        for sqs_id, send in self._sent():
            body = send.body or {}
            is_of_place = body.get("workspace_connector_id") == connector
            if not is_of_place or body.get("direction", direction) not in {direction, None}:
                continue
            named = {(each["type"], each["id"]) for each in body.get("records", [])}
            if not named or (type_, record) in named:
                told.append(f"{body.get('mode', body['type'])} {send.id[:8]} {','.join(self._told(sqs_id, send.id))}")
        return "; ".join(told)

    # ---- telling ----------------------------------------------------------------------------------------
    def report(self) -> str:
        """Return what was done to the system, and what was found."""
        lines = [f"  {seconds:5.1f} s {part}" for part, seconds in self._evidence.took.items()]
        for title, numbers in (("what was done to it", self._evidence.did), ("what became of it", self.found)):
            lines += [f"  {title}:", *(f"    {number:6}  {what}" for what, number in sorted(numbers.items()))]
        lines += ["  what is wrong:" if self.findings else "  nothing is wrong"]
        for kind, texts in sorted(self.findings.items()):
            lines += [f"    {kind}: {text}" for text in texts[:TOLD]]
            if len(texts) > TOLD:
                lines.append(f"    {kind}: and {len(texts) - TOLD} more")
        return "\n".join(lines)


def _is_applied(line: Mapping[str, Any]) -> bool:
    return bool(line["outcome"] == "applied")


def _by_place(ledger: Any) -> Counter[Place]:
    """Return how many rows there are of each place, whoever wrote and ended them."""
    found: Counter[Place] = Counter()
    for (place, _), number in ledger.rows.items():
        found[place] += number
    return found
