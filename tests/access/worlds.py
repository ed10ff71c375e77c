"""Random worlds, and what somebody may ask in them.

Hypothesis draws a seed, and for each row and each request how many of the seed's random bytes it may use to decide what
it is. A part without bytes is not there; one with few has the first of all choices in most of its columns. So a world
that shrinks loses its rows first and its oddities next, while a draw costs a tenth of a strategy for each column. (As
one draw for all parts: were they several, most worlds would be copies of the one before with two parts made alike.)
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, Phase, given, note, seed, settings
from hypothesis import strategies as st

from tests.access.model import Caller, List, Person, Request, Retrieve, Row, Service, World
from wellspring.resources import resource_of

PROVENANCE = ("account_workspace_connector", "company_workspace_connector", "people_workspace_connector")
OBJECTS = (*PROVENANCE, "workspace_group_workspace", "workspace_provider")
READABLE = (*OBJECTS, "workspace_group")
SCOPES = ("system:read", "sync:write", "providers:match")
ROLES = ("owner", "admin", "member", "guest")
DIRECTIONS = ("input", "output")

# Nobody has it: neither a row nor a person.
ABSENT = UUID("00000000-0000-7000-8000-00000000dead")
BEGINNING = datetime(2024, 1, 1, tzinfo=UTC)
# The first and the last that can be said: a list since the one is whole, and nothing has ended at either.
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
# Before every key that the database gives out itself.
FIRST_PK = -1000

REQUESTS = 8
# The random bytes of a row, or of a caller and what they ask.
PART_BYTES = 48

# What is asked: of lists the most, in which there is most to ask for.
OPERATIONS = tuple((operation, type_) for operation in ("list", "list", "list", "retrieve") for type_ in READABLE)


# ---- how the properties run ----------------------------------------------------------------------------
def worlds(
    strategy: st.SearchStrategy[Any], count: int, *, others: int
) -> Callable[[Callable[[Any], None]], Callable[[], None]]:
    """Return the decorator that runs a check on so many worlds, on the same ones each time.

    The environment may ask for others: WORLDS_SEED (4 where it is not set) for other worlds, WORLDS for that many times
    as many.
    """
    chosen = seed(f"{os.environ.get('WORLDS_SEED', '4')} {others}")
    run = settings(
        max_examples=count * int(os.environ.get("WORLDS", "1")),
        phases=[Phase.generate, Phase.shrink],
        # What is found is found again by the seed.
        database=None,
        report_multiple_bugs=False,
        # A world costs what a dozen requests cost, and on a busy machine more: no fault of the world.
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )

    def decorate(check: Callable[[Any], None]) -> Callable[[], None]:
        @chosen
        @run
        @given(strategy)
        def noted(drawn: Any) -> None:
            # Hypothesis would say it by itself, but schemathesis's plugin for pytest takes its printer away.
            note(drawn)
            check(drawn)

        return noted

    return decorate


class Dice:
    """Bytes that decide. Zero is the first of all choices; behind the last byte all is zero."""

    def __init__(self, data: bytes) -> None:
        self._data = iter(data)

    def roll(self, sides: int) -> int:
        return next(self._data, 0) % sides

    def pick[Item](self, items: Sequence[Item]) -> Item:
        return items[self.roll(len(items))]

    def lean[Item](self, items: Sequence[Item]) -> Item:
        """Pick with a leaning to the first: rows that have nothing to do with each other say little."""
        return items[0] if self.one_in(2) else self.pick(items)

    def one_in(self, sides: int) -> bool:
        return self.roll(sides) == sides - 1


# ---- worlds --------------------------------------------------------------------------------------------
# Parents and other columns of a row; None where there can be no such row.
type Drawn = tuple[dict[str, Row | None], dict[str, object]] | None


def _provenance(world: World, dice: Dice, type_: str) -> Drawn:
    record = dice.pick(world.of(type_))
    # Rows are written within one workspace, and no tenant moves.
    connectors = world.of("workspace_connector")
    its_own = [found for found in connectors if found.parents["workspace"] is record.parents["workspace"]]
    if not its_own:
        return None
    return {type_: record, "workspace_connector": dice.pick(its_own)}, {"direction": dice.pick(DIRECTIONS)}


def _member(world: World, dice: Dice, place: str) -> Drawn:
    parents = {"people": dice.pick(world.of("people")), place: dice.lean(world.of(place))}
    return {**parents}, {"role": dice.pick(ROLES), "status": "pending" if dice.one_in(6) else "active"}


def _choice(world: World, dice: Dice) -> Drawn:
    selected, matched = dice.pick(((False, False), (False, True), (True, True)))
    parents = {"workspace": dice.lean(world.of("workspace")), "provider": dice.pick(world.of("provider"))}
    return {**parents}, {"is_selected": selected, "is_matched": matched}


def _enrolment(world: World, dice: Dice) -> Drawn:
    parents = {name: dice.lean(world.of(name)) for name in ("workspace_group", "workspace")}
    return {**parents, "created_by": dice.pick([None, *world.of("people")])}, {}


def _people(world: World, dice: Dice) -> Drawn:
    source = None if dice.one_in(6) else "/well/people"
    return {"workspace": dice.lean(world.of("workspace"))}, {"source": source}


def _group(world: World, dice: Dice) -> Drawn:
    return {"created_by": dice.pick([None, *world.of("people")])}, {"name": "Group"}


def _connection(world: World, dice: Dice) -> Drawn:
    workspace = dice.lean(world.of("workspace"))
    return {"workspace": workspace, "connector": dice.pick(world.of("connector"))}, {}


def _of_workspace(world: World, dice: Dice) -> Drawn:
    return {"workspace": dice.lean(world.of("workspace"))}, {}


def _of_nothing(_world: World, _dice: Dice) -> Drawn:
    return {}, {}


# Of each type: how many rows there may be, what must be there, and what a row says beside its times.
KINDS: Mapping[str, tuple[int, Sequence[str], Callable[[World, Dice], Drawn]]] = {
    "workspace": (4, (), _of_nothing),
    "people": (6, (), _people),
    "company": (5, (), _of_workspace),
    "account": (5, (), _of_workspace),
    "connector": (3, (), _of_nothing),
    "workspace_connector": (7, ["connector"], _connection),
    "provider": (4, (), _of_nothing),
    "workspace_group": (4, (), _group),
    "workspace_membership": (8, (), partial(_member, place="workspace")),
    "workspace_group_membership": (10, ["workspace_group"], partial(_member, place="workspace_group")),
    **{
        f"{type_}_workspace_connector": (10, [type_, "workspace_connector"], partial(_provenance, type_=type_))
        for type_ in ("account", "company", "people")
    },
    "workspace_group_workspace": (10, ["workspace_group"], _enrolment),
    "workspace_provider": (10, ["provider"], _choice),
}
ROWS = sum(most for most, *_ in KINDS.values())


def _built(parts: Iterator[bytes]) -> World:
    """Make a world of one part for each row that there may be."""
    world = World({type_: [] for type_ in KINDS})
    for number, (type_, (most, needed, draw)) in enumerate(KINDS.items()):
        rows = world.of(type_)
        for place in range(most):
            dice = Dice(next(parts))
            fate = dice.roll(20)
            # There is always somebody, and somewhere.
            if fate < 3 and (place or type_ not in {"workspace", "people"}):
                continue
            created = BEGINNING + timedelta(hours=dice.roll(4))
            row = Row(
                type=type_,
                pk=FIRST_PK + place,
                id=UUID(f"01900000-{number:04x}-7000-8000-{place:012x}"),
                created_at=created,
                updated_at=dice.pick((None, created, created + timedelta(hours=1), BEGINNING)),
                deleted_at=BEGINNING + timedelta(hours=4) if fate in {3, 4, 5} else None,
            )
            drawn = draw(world, dice) if all(map(world.of, needed)) else None
            if drawn is not None:
                row.parents, row.values = drawn
                rows.append(_unique_while_live(row, rows))
    return world


def _unique_while_live(row: Row, others: Sequence[Row]) -> Row:
    """Tombstone a row that the database would not take beside a live one of the same two parents."""
    pair = list(row.parents.values())[:2]
    if row.type in {"workspace_group_membership", "workspace_group_workspace", "workspace_provider"} and any(
        other.is_live and list(other.parents.values())[:2] == pair for other in others
    ):
        row.deleted_at = row.deleted_at or BEGINNING
    return row


# ---- callers -------------------------------------------------------------------------------------------
def _caller(world: World, dice: Dice) -> Caller:
    """Draw anybody."""
    if dice.one_in(2):
        chosen = dice.roll(16)
        return Service(frozenset(scope for number, scope in enumerate(SCOPES) if chosen >= 8 or chosen >> number & 1))
    if dice.one_in(8):
        return Person(ABSENT)
    members = [row.parents["people"] for row in world.memberships]
    person = dice.pick(members if members and not dice.one_in(4) else world.of("people"))
    # Some have a token that says more than it may.
    return Person(person.id, " ".join(SCOPES) if dice.one_in(4) else "")


# ---- requests ------------------------------------------------------------------------------------------
class _Asker:
    """Draws one request of one caller."""

    def __init__(self, world: World, caller: Caller, dice: Dice) -> None:
        self._world = world
        self._dice = dice
        self._caller = caller

    def request(self, operation: str, type_: str) -> Request:
        ask: Callable[[str], Request] = getattr(self, f"_{operation}")
        return ask(type_)

    def _list(self, type_: str) -> List:
        """Draw a list of all there is to see, but for a few parameters: each set of them is a statement to compile."""
        dice = self._dice
        asked = List(type_, deleted="include", total=dice.one_in(2), include=self._include(type_))
        oddities: list[Callable[[List], dict[str, Any]]] = [
            lambda _: {"deleted": dice.pick(("exclude", "only"))},
            lambda _: {"sort": dice.pick(("created_at", "updated_at")), "descending": dice.one_in(2)},
            lambda _: {"size": dice.pick((1, 2)), "cursor": self._cursor(type_), "backward": dice.one_in(2)},
            lambda _: {"since": dice.pick((BEGINNING + timedelta(hours=1), FIRST, LAST))},
            lambda asked: {"related": _once(asked.related, self._related(type_))},
            lambda asked: {"equal": _once(asked.equal, self._equal(type_))},
            lambda asked: {} if asked.within else {"workspaces": self._claims(type_)},
        ]
        if type_ == "workspace_provider" and dice.one_in(3):
            asked = replace(asked, within=self._id("workspace"))
        for _ in range(dice.pick((1, 2, 0, 1, 2, 3))):
            asked = replace(asked, **dice.pick(oddities)(asked))
        return asked

    def _cursor(self, type_: str) -> Row | None:
        rows = self._world.of(type_)
        return self._dice.pick(self._near(rows)) if rows and not self._dice.one_in(4) else None

    def _equal(self, type_: str) -> tuple[tuple[str, object], ...]:
        if type_ in PROVENANCE:
            return (("direction", self._dice.pick(DIRECTIONS)),)
        if type_ == "workspace_provider":
            return ((self._dice.pick(("is_selected", "is_matched")), self._dice.one_in(2)),)
        return ()

    def _claims(self, type_: str) -> tuple[UUID, ...]:
        """Draw what `filter[workspace]` names: several only where the workspace is the row's own."""
        if type_ == "workspace_group":
            return ()
        several = type_ not in PROVENANCE and self._dice.one_in(2)
        return tuple(self._id("workspace") for _ in range(2 if several else 1))

    def _related(self, type_: str) -> tuple[tuple[str, tuple[UUID, ...]], ...]:
        """Draw a filter on a relationship, where the workspace is a matter of its own: mostly on what some row has."""
        relationship = self._dice.pick([found for found in resource_of(type_).parents if found.name != "workspace"])
        rows = self._world.of(type_)
        ids = [self._id(relationship.target)]
        if rows and not self._dice.one_in(4):
            parent = self._dice.pick(self._near(rows)).parents[relationship.name]
            ids += [parent.id] if parent else []
        return ((relationship.name, tuple(ids)),)

    def _retrieve(self, type_: str) -> Retrieve:
        return Retrieve(type_, self._id(type_), self._include(type_))

    def _id(self, type_: str) -> UUID:
        """Draw the id of any row of a type, seldom one of none."""
        rows = self._world.of(type_)
        return ABSENT if self._dice.one_in(12) or not rows else self._dice.pick(self._near(rows)).id

    def _near(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Return all rows, or mostly those that have to do with the caller: the others are mostly 404."""
        if isinstance(self._caller, Service) or self._dice.one_in(4):
            return rows
        own: list[Row] = []
        for membership in self._world.memberships:
            if membership.parents["people"].id == self._caller.id:
                own += membership.parents.values()
        return [row for row in rows if row in own or any(parent in own for parent in row.parents.values())] or rows

    def _include(self, type_: str) -> tuple[str, ...] | None:
        paths = resource_of(type_).includes
        how = self._dice.roll(6)
        if how < 2:
            return None
        return () if how == 5 else paths[: 1 + self._dice.roll(len(paths))] if how == 2 else paths


def _once[Value](said: Sequence[tuple[str, Value]], more: Sequence[tuple[str, Value]]) -> tuple[tuple[str, Value], ...]:
    """Return both, of each name what was said last: a parameter may come but once."""
    return tuple({**dict(said), **dict(more)}.items())


def _asked(world: World, part: bytes) -> tuple[Caller, Request]:
    dice = Dice(part)
    operation, type_ = dice.pick(OPERATIONS)
    caller = _caller(world, dice)
    return caller, _Asker(world, caller, dice).request(operation, type_)


# ---- strategies ----------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Story:
    """A world and what is asked in it, in this order."""

    world: World
    asked: Sequence[tuple[Caller, Request]]


def _parts(count: int) -> st.SearchStrategy[list[bytes]]:
    """Return the strategy of so many parts."""

    def cut(drawn: tuple[int, bytes]) -> list[bytes]:
        chance = Random(drawn[0])
        return [chance.randbytes(PART_BYTES)[:length] for length in drawn[1]]

    lengths = st.binary(min_size=count, max_size=count)
    return st.tuples(st.integers(0, 2**64 - 1), lengths).map(cut)


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Draw a world in which up to `REQUESTS` are made."""
    parts = iter(draw(_parts(ROWS + REQUESTS)))
    world = _built(parts)
    return Story(world, [_asked(world, part) for part in parts if part])
