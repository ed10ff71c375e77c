"""A question's statement as a golden file has it: laid out, with the names of its values."""

import re
import textwrap
from pathlib import Path
from typing import Any

from tests.golden.layout import laid_out
from tests.golden.shapes import Golden, golden
from wellspring.database import Compiled
from wellspring.database.flush import Query

FOLDER = Path(__file__).parent / "lists"
_QUERY = re.compile(r"^(?:WITH )?(\w+) AS (?:NOT MATERIALIZED)?\s*\(", re.MULTILINE)
_LAST = re.compile(r"^SELECT", re.MULTILINE)
# What each query of a statement is, for who reads it the first time; docs/adr/0002 says why.
QUERIES = {
    "caller": "Who is calling, while they are there. Without a source they are a contact that a sync made, and nobody.",
    "visible_groups": "The live groups of which the caller is an active member.",
    "own_groups": "The same, as an array.",
    "visible": "All live workspaces that the caller sees: as a member, or by an enrolment in one of the groups.",
    "opened": "Some of the workspaces that are opened to the caller, live or not: enough to know whether they are few.",
    "few": "They as an array; null where they are not few, and each row's workspace is looked up (docs/adr/0042).",
    "driver": (
        "The parents that lead to rows, mostly connectors: those that the filters name and the caller sees. Who sees "
        "what is asked in this query alone; ANY (ARRAY(...)) computes it once. leave_workspaces() is there for its "
        "side effect: the row-level security policies get the caller's workspaces as a list (true: those of "
        "memberships alone), so that they need not look up each row's."
    ),
    "newest": (
        "From here to `far` is for callers with many drivers (docs/adr/0045): for each driver an upper bound of the "
        "time of its newest row before a place in the list, the beginning or the cursor. In the row without a driver "
        "stands a time that all rows of the drivers that are not named are older than. With few drivers (2 * :rows: a "
        "page has room for half of them) it is asked for null rows and is empty, and the first row of each is read."
    ),
    "likely": (
        "The drivers that `newest` names, the newest first. CASE has thousands of them looked for in a hashed list: a "
        "plan of the plan cache hashes no join."
    ),
    "near": "The first row of each of these that the page can hold, a page's worth of them.",
    "furthest": "The oldest of these first rows, where they fill a page: no older row is on the page.",
    "far": (
        "The other drivers that may have a row as new as that: mostly none. First of `likely`, then of those that "
        "`newest` does not name (without its row for these, there are none). All of them where `newest` is empty, or "
        "where `near` does not fill a page."
    ),
    "head": (
        "The drivers with the first rows, and the place of each among them: the first row of each is one look-up in "
        "an index on (parent, time, pk). A page of n rows holds rows of the first n at most: each of the others has "
        "n rows before its own first."
    ),
    "reach": (
        "A time beyond which no row is on the page: where the first rows of some drivers, mostly of the first three, "
        "fill a page, the last of these. Else it is infinite, or minus infinite, and leaves all in: also where there "
        "are so few drivers that asking would cost more than it spares: 3 and 8 are NEAREST and SPARED_FROM of "
        "access/many_workspaces.py. A large page asks all of them for some rows each, two pages in all."
    ),
    "page": (
        "The page: each driver is read along the same index, and their rows are merged. Of the k-th driver n - k + "
        "1 rows at most: k - 1 first rows stand before its own. A row's other parent is looked up for each row that "
        "is read, and must be of the driver's workspace; OFFSET 0 keeps the planner from joining them, which would "
        "read and sort all, and `+ 0` from looking through a workspace. `updated_at` is as the indexes have it: a "
        "CASE, since coalesce() is no index condition under row-level security (docs/adr/0029). :rows is the page's "
        "size and one more, by which it is known that there are more; with a cursor two more, its row is read, too."
    ),
    "behind": "Whether there are rows on the cursor's other side.",
    "shown": "The rows, and what is shown with them.",
    "listed": "The table with the order of the list as a column; planned where it is read.",
    "found": "The row, where it is there and the caller sees it. What they see is computed first, whatever is asked.",
    "share": "How many of each relationship are read of each group.",
    "bounds": (
        "How many newest rows of each record are looked at, and how many of its sources are read: what is read of all "
        "records together is bounded, and they share it evenly."
    ),
    "newest_rows": "The newest rows of each record.",
    "connectors": "The connectors of these rows that the caller sees, each looked up by its key.",
    "told": "Of these rows a line for each record, connector, direction and message.",
    "source": "A line for each record, connector and direction: each record's sources.",
    "ranked": "They, with the place of each among those of its record, the last one first.",
    "first": "Those that are shown of each record, and one more where there are more.",
    "held": "The first of each relationship of each group.",
}


PAGE_WITHOUT_DRIVERS = (
    "The page, to which no drivers lead: rows are read along an index of all of them until there are enough, those "
    "passed whose parents are gone, or that nobody sees; of what nobody sees many of, all are read and sorted. OFFSET "
    "0 keeps the planner from joining the parents, which would read and sort all."
)


def compiled(question: Query[object]) -> Compiled:
    """Return the statement of a question."""
    statement = question.statement.statement
    assert isinstance(statement, Compiled)
    return statement


def rendered(shape: Golden) -> str:
    """Return the content of a file."""
    statement = compiled(shape.question)
    names = iter(map(_value, statement._parameters))
    text = re.sub(r"%s", lambda _: next(names), statement.text)
    return f"-- {shape.says}.\n-- {size(statement):,} bytes as it is sent.\n\n{explained(laid_out(text))}"


def explained(statement: str) -> str:
    """Return a statement with a comment before each of its queries."""
    whole = _QUERY.sub(lambda found: f"{comment(said_of(found[1], statement))}\n{found[0]}", statement)
    storing = (
        " WHERE is always true, and there for its side effect: leave_ids() stores the ids of what the rows point to, "
        "for the statements of what is included, which come next."
    )
    order = " In the order of the times themselves, not of the texts." if "ORDER BY shown." in whole else ""
    last = comment(f"What is answered, ids and times as text.{order}{storing if 'leave_ids' in whole else ''}")
    return _LAST.sub(f"{last}\nSELECT", whole, count=1) if whole != statement else whole


def comment(said: str) -> str:
    """Return a comment, in lines."""
    return textwrap.fill(said, 110, initial_indent="-- ", subsequent_indent="-- ")


def said_of(query: str, statement: str) -> str:
    """Return what a query of a statement is, by its name."""
    if query == "page" and "head AS driver" not in statement:
        return PAGE_WITHOUT_DRIVERS
    return f"Those that the filter {query[6:]} names." if query.startswith("named_") else QUERIES[query]


def size(statement: Compiled) -> int:
    """Return how many bytes of a statement are sent, its values apart: as the driver numbers them, without its work."""
    places = statement.text.count("%s")
    numbers = sum(len(f"${number}") for number in range(1, places + 1))
    return len(statement.text.replace("%s", "").replace("%%", "%").encode()) + numbers


def _value(parameter: tuple[str, Any, object]) -> str:
    """Return the name of a value, or the value itself where it is always the same."""
    name, constant, _ = parameter
    if constant is None:
        return f":{name}"
    return f"'{constant}'" if isinstance(constant, str) else str(constant)


def files() -> dict[str, str]:
    """Return what is in the folder, by the names of the files."""
    return {f"{shape.name}.sql": rendered(shape) for shape in golden()}
