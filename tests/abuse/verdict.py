"""The verdict: what became of every message, and what of it must not be."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from tests.abuse.harness import OVERTAKEN, Evidence
from tests.abuse.plan import Expected, Place, Record, Rows, Send

type Kind = Literal[
    "stuck",
    "lost",
    "twice",
    "dead",
    "parked",
    "untold",
    "rows",
    "doubled",
    "sums",
    "made",
    "foreign",
    "messages",
    "log",
    "deadlock",
    "feed",
    "events",
]

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
        self.findings: dict[Kind, list[str]] = defaultdict(list)
        self.found: Counter[str] = Counter()
        self.overtaken = evidence.did[OVERTAKEN]
        self._lines: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        self._applied: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()
        # Bodies whose record has come, and those of them that may not be applied any more.
        self._mended = {send.digest for send in [*evidence.sends, *evidence.settled] if send.is_mended}
        self._overtaken = self._mended & evidence.after.overtaken()
        self._judge()

    def _judge(self) -> None:
        evidence = self._evidence
        if not evidence.drained:
            self._find("stuck", "the queue was not worked off")
        if len(evidence.sqs_ids) != len(evidence.sends):
            self._find("stuck", f"{len(evidence.sends) - len(evidence.sqs_ids)} messages could not be sent")
            return
        for problem in evidence.feed:
            self._find("feed", problem)
        for problem in evidence.events:
            self._find("events", problem)
        for line in evidence.deadlocks:
            self._find("deadlock", line)
        for line in evidence.log:
            self._read(line)
        self._read_deliveries()
        for sqs_id, send in self._each():
            if send.body is None or send.digest in self._overtaken:
                self._judge_poison(sqs_id, send)
            else:
                self._judge_good(sqs_id, send)
        self._judge_dead_letters()
        self._judge_parked()
        self._judge_effects()
        self._judge_ledger()

    def _find(self, kind: Kind, text: str) -> None:
        self.findings[kind].append(text)

    def _each(self) -> Iterator[tuple[str, Send]]:
        """Return what was sent with its SQS id; what was released by itself comes last, for it was not sent again."""
        yield from zip(self._evidence.sqs_ids, self._evidence.sends, strict=True)
        for send in self._evidence.settled:
            yield _settled(send.id), send

    def _good(self) -> Iterator[tuple[str, Send]]:
        """Return what must have its effect."""
        for sqs_id, send in self._each():
            if send.body is not None and send.digest not in self._overtaken:
                yield sqs_id, send

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
            # What settles knows of no delivery.
            self._lines[said.get("sqs_message_id") or _settled(said["message_id"])].append(said)
            self.found[f"log: {said['outcome']}"] += 1
            if said["outcome"] == "applied":
                self._applied[said["message_id"]] += 1

    def _read_deliveries(self) -> None:
        """Count for each message the deliveries that were lost: no line tells of them, or that it was returned."""
        told = {
            (sqs_id, line.get("receives"))
            for sqs_id, lines in self._lines.items()
            for line in lines
            if line["outcome"] != "returned"
        }
        for delivery in self._evidence.deliveries:
            self.found["deliveries"] += 1
            self.found["deliveries without an answer"] += delivery.failed is None
            for record in delivery.event["Records"]:
                if (record["messageId"], record["attributes"]["ApproximateReceiveCount"]) not in told:
                    self._lost[record["messageId"]] += 1

    # ---- each message -----------------------------------------------------------------------------------
    def _judge_poison(self, sqs_id: str, send: Send) -> None:
        outcomes = self._outcomes(sqs_id)
        reasons = {line["reason"] for line in self._lines[sqs_id] if line["outcome"] == "parked"}
        # One that was parked by another delivery, or by another message of the same body, may be told as a duplicate.
        possible = {"parked", "duplicate", "held", "returned"}
        if send.digest in self._mended - self._overtaken:
            possible.add("applied")
        if not outcomes <= possible:
            self._find("parked", f"is poisoned ({send.reason}), but was {outcomes}: {sqs_id}")
        if reasons - {send.reason, "overtaken" if send.digest in self._overtaken else send.reason}:
            self._find("parked", f"was parked for {reasons}, not {send.reason}: {sqs_id}")
        if not outcomes & {"parked", "duplicate"} and not _is_settled(sqs_id):
            self._find("untold", f"is poisoned ({send.reason}), and no line says that it is parked: {sqs_id}")

    def _judge_good(self, sqs_id: str, send: Send) -> None:
        outcomes = self._outcomes(sqs_id)
        if "parked" in outcomes:
            self._find("parked", f"is good, but was parked: {send.id}, {self._lines[sqs_id]}")
        # Nobody settles again what was settled when its process was killed: then no line tells of it.
        if not outcomes & {"applied", "duplicate"} and not _is_settled(sqs_id):
            self._find("untold", f"is good, and no line says that it is done: {sqs_id}, {outcomes}")

    def _judge_dead_letters(self) -> None:
        """Nothing that is done to the system is so bad that a message may end there."""
        for sqs_id, times in self._evidence.dead.items():
            told = [f"{line['outcome']}@{line['receives']}" for line in self._lines[sqs_id]]
            self._find("dead", f"is a dead letter {times} times, {self._lost[sqs_id]} times lost: {sqs_id}, {told}")

    def _judge_parked(self) -> None:
        """Hold what is parked to what was poisoned: each body has a row, with its reason, and nothing else has one."""
        wanted = Counter(
            {
                (send.digest, "overtaken" if send.digest in self._overtaken else send.reason): 1
                for _, send in self._each()
                if send.body is None and send.digest not in self._mended - self._overtaken
            }
        )
        got = Counter(
            (message.digest, message.reason or "")
            for message in self._evidence.after.messages
            if message.outcome == "parked"
        )
        for digest, reason in wanted - got:
            rows = [message for message in self._evidence.after.messages if message.digest == digest]
            self._find("lost", f"is poisoned ({reason}) and not parked for it: {digest}, {rows}")
        for digest, reason in got - wanted:
            self._find("parked", f"{got[digest, reason]} rows, {wanted[digest, reason]} wanted ({reason}): {digest}")
        for (_, reason), number in got.items():
            self.found[f"parked: {reason}"] += number

    def _outcomes(self, sqs_id: str) -> set[str]:
        return {line["outcome"] for line in self._lines[sqs_id]}

    # ---- all together -----------------------------------------------------------------------------------
    def _judge_effects(self) -> None:
        """Hold the messages' rows to the queue: applied is exactly what was worked off, and each once."""
        worked_off = {send.id for sqs_id, send in self._good() if not self._evidence.dead[sqs_id]}
        abused = {send.id for sqs_id, send in self._good() if self._lost[sqs_id]}
        messages = self._evidence.after.messages
        applied = Counter(message.id or "no id" for message in messages if message.outcome == "applied")
        for id_ in worked_off - applied.keys():
            self._find("lost", f"was worked off and is not applied: {id_}")
        # A dead letter may be applied only when its fifth answer was lost: the commit had been made.
        for id_ in applied.keys() - worked_off - abused:
            self._find("messages", f"is applied, and nobody sent it, or it is a dead letter: {id_}")
        for message in messages:
            if message.outcome not in {"applied", "parked"}:
                self._find("messages", f"is neither applied nor parked: {message}")
        for id_, times in applied.items():
            if times > 1:
                self._find("twice", f"has {times} rows: {id_}")
        for id_, times in self._applied.items():
            if times > 1:
                self._find("twice", f"had its effect {times} times: {id_}")
        self.found["messages"] = len({send.id for _, send in self._good()})
        self.found["messages applied when their record had come"] = len(self._mended - self._overtaken)
        self.found["messages applied"] = len(applied)

    def _judge_ledger(self) -> None:
        before, after = self._evidence.before, self._evidence.after
        expected = Expected(before.rows, set(before.matched))
        for send in self._effective():
            assert send.body is not None
            expected.apply(send.body)
        rows = expected.rows
        for key in rows.keys() | after.rows.keys():
            wanted, got = rows.get(key, 0), after.rows.get(key, 0)
            place, (writer, ender) = key
            if wanted != got:
                end = "live" if ender is None else f"ended by {ender[:8]}"
                self._find(
                    "rows",
                    f"{got} rows and not {wanted} of {place}, written by {writer[:8]}, {end}: {self._history(place)}",
                )
        self._judge_numbers(_by_place(rows), _by_place(after.rows))
        for difference in after.differences:
            self._find("sums", difference)
        for pair in expected.matched ^ after.matched:
            self._find("rows", f"{'' if pair in after.matched else 'not '}matched: {pair}")
        if before.selected != after.selected:
            self._find("foreign", f"selected or not any more: {before.selected ^ after.selected}")
        self._judge_brought(expected.brought)
        brought = {record.id for record in expected.brought.keys() - before.records.keys()}
        for row in before.untouchable - after.untouchable:
            self._find("foreign", f"touched, and nobody may: {row}")
        for row in after.untouchable - before.untouchable:
            if brought.isdisjoint(_ID.findall(row)):
                self._find("foreign", f"made, and nobody may: {row}")
        self.found["rows"] = sum(after.rows.values())
        self.found["rows, live"] = sum(number for (_, life), number in after.rows.items() if life[1] is None)

    def _judge_brought(self, brought: Mapping[Record, str]) -> None:
        """Hold the records that were made to those that messages brought along: once each, in their own workspace."""
        before, after = self._evidence.before, self._evidence.after
        wanted = {
            record: after.connectors[connector] for record, connector in brought.items() if record not in before.records
        }
        got = {record: owner for record, owner in after.records.items() if record not in before.records}
        for record, owner in wanted.items() - got.items():
            self._find("made", f"is not there: {record} of {owner}")
        for record, owner in got.items() - wanted.items():
            self._find("made", f"is there, and nobody brought it: {record} of {owner}")
        if (counted := Counter(record.type for record in wanted)) != after.made:
            self._find("made", f"the messages say {after.made}, made were {counted}")
        self.found["records made"] = len(got)

    def _judge_numbers(self, wanted: Counter[Place], got: Counter[Place]) -> None:
        """Hold the number of rows of each place to what it must be, whoever wrote and ended them."""
        for place, number in (got - wanted).items():
            self._find("doubled", f"{number} rows too many of {place}")
        for place, number in (wanted - got).items():
            self._find("lost", f"{number} rows too few of {place}")

    def _effective(self) -> Iterable[Send]:
        """Return the sends that must have had their effect, in the order of their groups, each message once."""
        applied, dead = self._evidence.after.applied, self._evidence.dead
        chosen: dict[str, str] = {}
        for sqs_id, send in self._good():
            # A dead letter had its effect if the commit was made and the answer lost: an echo behind it has none then.
            if not dead[sqs_id] or (self._lost[sqs_id] and send.id in applied and self._had_it(sqs_id, send.id)):
                chosen.setdefault(send.id, sqs_id)
        for sqs_id, send in self._good():
            if chosen.get(send.id) == sqs_id:
                yield send

    def _had_it(self, sqs_id: str, id_: str) -> bool:
        """Say whether it was this SQS message that the consumer had when the effect of `id_` began."""
        begun = self._evidence.after.applied[id_]
        had = [
            {record["messageId"] for record in delivery.event["Records"]}
            for delivery in sorted(self._evidence.deliveries, key=lambda delivery: delivery.at)
            if delivery.at <= begun
        ]
        same = {other for other, send in self._good() if send.id == id_}
        return next((sqs_id in ids for ids in reversed(had) if ids & same), False)

    def _history(self, place: Place) -> str:
        """Return what was sent about `place`, in its order: what each was, and what became of it."""
        told = []
        for sqs_id, send in self._each():
            body = send.body or {}
            type_, record, connector, direction = place
            if body.get("workspace_connector_id") != connector or body.get("direction", direction) not in {
                direction,
                None,
            }:
                continue
            named = {(each["type"], each["id"]) for each in body.get("records", [])}
            if not named or (type_, record) in named:
                outcomes = [f"{line['outcome']}@{line['receives']}" for line in self._lines[sqs_id]]
                end = " dead" if self._evidence.dead[sqs_id] else ""
                told.append(f"{body.get('mode', body['type'])} {send.id[:8]} {','.join(outcomes)}{end}")
        return "; ".join(told)

    # ---- telling ----------------------------------------------------------------------------------------
    def report(self) -> str:
        """Return what was done to the system, and what was found."""
        lines = [f"  {seconds:5.1f} s {part}" for part, seconds in self._evidence.took.items()]
        lines += ["  what was done to it:"]
        lines += [f"    {number:6}  {deed}" for deed, number in sorted(self._evidence.did.items())]
        lines += ["  what became of it:"]
        lines += [f"    {number:6}  {what}" for what, number in sorted(self.found.items())]
        lines += ["  what is wrong:" if self.findings else "  nothing is wrong"]
        for kind, texts in sorted(self.findings.items()):
            lines += [f"    {kind}: {text}" for text in texts[:TOLD]]
            if len(texts) > TOLD:
                lines.append(f"    {kind}: and {len(texts) - TOLD} more")
        return "\n".join(lines)


def _settled(message_id: str) -> str:
    """Return what stands for the SQS id of a message that was released by itself."""
    return f"settled {message_id}"


def _is_settled(sqs_id: str) -> bool:
    return sqs_id.startswith("settled ")


def _by_place(rows: Rows) -> Counter[Place]:
    """Return how many rows there are of each place."""
    found: Counter[Place] = Counter()
    for (place, _), number in rows.items():
        found[place] += number
    return found
