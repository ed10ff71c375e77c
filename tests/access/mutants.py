"""Mutants: what `tests.access.mutations` takes away from the two guards, one thing at a time.

No file is changed: a policy is altered in a database, a predicate in the process that runs the tests. What can be taken
away is read from the source, so that a new query and a new condition are among it from their first day.
"""

import ast
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial, wraps
from pkgutil import walk_packages
from types import FrameType, ModuleType
from typing import Any, Literal

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory

from migrations import run as migrations
from tests.support.world import OBJECTS
from wellspring import repositories
from wellspring.access import many_workspaces, predicates
from wellspring.access.predicates import Visibility
from wellspring.resources import ledgers

type Guard = Literal["first", "second"]
type Question = Literal["workspace", "group"]

TABLES = tuple(resource.table for resource in OBJECTS)
MODULES = tuple(
    importlib.import_module(found.name) for found in walk_packages(repositories.__path__, f"{repositories.__name__}.")
)

# What a call of `Visibility` asks in the end.
ASKED: Mapping[str, Sequence[Question]] = {
    "workspace": ("workspace",),
    "group": ("group",),
    "through": ("workspace", "group"),
    "message": ("workspace",),
}
# It asks for whoever called it.
ASKS_FOR_ITS_CALLER = "ledger.rows.visible_rows"

# Why what is below need not ask: of a function in front of it, or of a whole module or package below its docstring.
_MARK = re.compile(r"^# Asks for no caller: .+\n(?:def (\w+))?", re.MULTILINE)

# Texts of SQL apart, what keeps rows from somebody.
CALLERS_OWN = "table.c.caller == caller"
# `filter[deleted]` is a wish of the caller's.
NO_CONDITION = ("ledger.columns.is_shown",)
# What may be taken away and nobody sees more, by the reason why.
_REASONS: Mapping[str, Sequence[str]] = {
    "workspaces are read by a view that asks for itself": ["ledger.pages.WholeSorted._rows asks for no workspace"],
    "it says whether there are too many to be searched, and shows none": [
        "ledger.pages.SEARCHED without 1. row.deleted_at IS NULL"
    ],
    "a catalogue is everybody's: reading/test_parents.py": ["ledger.pages.SEEN without 1. row.deleted_at IS NULL"],
    "a person's enrolments are read by their workspaces, and a service sees every live group": [
        "ledger.per_parent.PerParentMerge._driver asks for no group"
    ],
    "what is read has records of the caller's alone": ["answers.sole.sole_page asks for no workspace"],
    "the record is seen, and its connectors are of its workspace": ["answers.sources._parts asks for no workspace"],
    "what is read has live records only": ["answers.sole.FOUND without 1. row.deleted_at IS NULL"],
    "it says whether there is a page before": ["answers.sole.BEHIND without 1. row.deleted_at IS NULL"],
    "what is read has no live row of a dead connector": [
        "answers.sources.TOLD without 2. connectors.deleted_at IS NULL"
    ],
    "it counts which of the rows that are shown are live": [
        "answers.sources.TOLD without 1. newest.deleted_at IS NULL"
    ],
    "whoever writes adds rows of any workspace": ["audit_of_whoever_writes takes everything"],
    "it is one row, of no tenant": ["fleet_of_the_pipeline shows everything"],
    "it shows nothing; whom it does not note is told by access/test_operators.py": [
        f"note_reading(operation text, resource_type text, resource_id uuid, workspaces uuid[]) without {condition}"
        for condition in ("1. caller.deleted_at IS NULL", "2. caller.source IS NOT NULL")
    ],
    "it says from when on to look": [
        f"newest_of_{ledger.table}(wanted integer, at timestamptz, pk bigint) without 3. row.deleted_at IS NULL"
        for ledger in ledgers().values()
    ],
    "parents.find has found them a moment ago, and the policies refuse others: writing/test_looking_again.py": [
        "groups.make asks for no workspace",
        "writing._are_seen asks for no group",
        "writing._are_seen asks for no workspace",
        "writing.IS_SEEN without 1. parent.deleted_at IS NULL",
    ],
    "it shows nothing; that others are not held is told by writing/test_looking_again.py": [
        "lock_group(team uuid) without 1. seen.pk = ANY ((SELECT wellspring.groups_of_caller())::bigint[])",
        (
            "lock_person(person uuid) without 1."
            " seen.workspace_pk = ANY ((SELECT wellspring.workspaces_of_caller())::bigint[])"
        ),
        "lock_person(person uuid) without 2. wellspring.sees_workspace(seen.workspace_pk)",
    ],
    "who is nobody has no workspace, so few": [
        f"{function}(workspace_pk bigint) without {condition}"
        for function in ("sees_workspace", "is_member_of")
        for condition in ("2. caller.deleted_at IS NULL", "3. caller.source IS NOT NULL")
    ],
    "the row must be shown by the other policy, too": [
        "workspace_group_workspaces_of_the_withdrawer shows everything",
        "workspace_group_workspaces_of_the_withdrawer shows without 2. wellspring.sees_workspace(workspace_pk)",
    ],
    "it does as it is: what the feed keeps is all its own": [
        f"{table}_of_the_feed shows everything" for table in ("pending_events", "feed_sources", "loads", "erasures")
    ],
}
EQUIVALENT = {name for names in _REASONS.values() for name in names}


@dataclass(frozen=True)
class Mutant:
    """One guard, spoilt: by statements for the migrated database, and in the process before a test is run.

    The tests of the guard that it is of run.
    """

    name: str
    guard: Guard
    sql: Sequence[str] = ()
    spoil: Callable[[], None] | None = None


# ---- the predicates: what the source asks ---------------------------------------------------------------
def functions(module: ModuleType) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Return each function and method of a module by `module.qualified_name`."""

    def within(node: ast.AST, name: str) -> Iterator[tuple[str, ast.FunctionDef]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef):
                yield f"{name}.{child.name}", child
            elif isinstance(child, ast.ClassDef):
                yield from within(child, f"{name}.{child.name}")

    yield from within(_tree(module), _short(module))


def sites() -> dict[str, set[Question]]:
    """Return which functions of the repositories ask `Visibility` for a condition, and what they ask."""
    found: dict[str, set[Question]] = {}
    for module in MODULES:
        for name, function in functions(module):
            calls = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
            questions: set[Question] = set()
            for call in calls:
                if isinstance(call, ast.Attribute):
                    questions.update(ASKED.get(call.attr, ()))
                elif isinstance(call, ast.Name) and _meant(module, call.id) == ASKS_FOR_ITS_CALLER:
                    questions.update(ASKED["through"])
            if questions and name != ASKS_FOR_ITS_CALLER:
                found[name] = questions
    return found


def doors() -> Iterator[tuple[str, bool, str]]:
    """Return each public function of the repositories that asks the database.

    It takes a transaction, or returns a query for a flush. With it come whether it comes to a site, and the mark that
    is next to it: its own, its module's or its package's.
    """
    asking, marked = sites(), marks()
    public, uses = _calls()
    for name in public:
        mark = name
        while mark and mark not in marked:
            mark = mark.rpartition(".")[0]
        yield name, bool(_reached(name, uses) & asking.keys()), mark


def marks() -> set[str]:
    """Return the functions, modules and packages of the repositories that are marked as asking for no caller."""
    return {
        f"{_short(module)}.{found[1] or ''}".rstrip(".")
        for module in MODULES
        for found in _MARK.finditer(inspect.getsource(module))
    }


@cache
def behind_doors() -> set[str]:
    """Return every function that a door comes to, those themselves too."""
    public, uses = _calls()
    return {reached for name in public for reached in _reached(name, uses)}


@cache
def _calls() -> tuple[list[str], Mapping[str, set[str]]]:
    """Return the public functions that are doors, and what each function uses."""
    uses: dict[str, set[str]] = {}
    public: list[str] = []
    for module in MODULES:
        prefix = f"{_short(module)}."
        for name, function in functions(module):
            asks = function.returns is not None and ast.unparse(function.returns).startswith("Query[")
            if not function.name.startswith("_") and (
                asks or "transaction" in {part.arg for part in function.args.args}
            ):
                public.append(name)
            # A class stands for all its methods: whoever makes one may call any.
            names = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
            for known in (name, prefix + name.removeprefix(prefix).partition(".")[0]):
                uses.setdefault(known, set()).update(_meant(module, used) for used in names)
    return public, uses


def _meant(module: ModuleType, name: str) -> str:
    """Return what a name of a module stands for: something of the repositories', wherever it is, or of its own."""
    found: Any = vars(module).get(name)
    home = getattr(found, "__module__", None) or ""
    if home.startswith(f"{repositories.__name__}.") and hasattr(found, "__qualname__"):
        return f"{home.removeprefix(f'{repositories.__name__}.')}.{found.__qualname__}"
    return f"{_short(module)}.{name}"


def _reached(start: str, uses: Mapping[str, set[str]]) -> set[str]:
    reached, waiting = set(), [start]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += uses.get(name, ())
            waiting += [method for method in uses if method.startswith(f"{name}.")]
    return reached


def texts(module: ModuleType) -> Iterator[tuple[str, Sequence[str]]]:
    """Return each text of SQL that a module names, by `module.NAME`, or that one of its mappings has by a key."""
    for node in _tree(module).body:
        target = ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", node))
        known = getattr(module, target, None)
        if isinstance(known, str):
            yield f"{_short(module)}.{target}", [target]
        elif isinstance(known, Mapping):
            yield from ((f"{_short(module)}.{target}[{key}]", [target, key]) for key in known)


def within_functions(module: ModuleType) -> Iterator[str]:
    """Return the functions of a module that have a text with a condition of their own, which `texts` does not find."""
    for name, function in functions(module):
        said = [node.value for node in ast.walk(function) if isinstance(node, ast.Constant)]
        if name not in NO_CONDITION and any(isinstance(text, str) and _SQL_CONDITION.search(text) for text in said):
            yield name


def _short(module: ModuleType) -> str:
    """Return a module's name, of a repository below the package of all."""
    known = module.__name__.removeprefix(f"{repositories.__name__}.")
    return module.__name__.rpartition(".")[2] if known == module.__name__ else known


@cache
def _tree(module: ModuleType) -> ast.Module:
    return ast.parse(inspect.getsource(module))


# ---- the predicates: what is done to it -----------------------------------------------------------------
def answer_yes(site: str, question: Question) -> None:
    """Let `Visibility` say of every row that the caller sees it, where one site asks."""
    asked: Callable[..., Any] = getattr(Visibility, question)

    @wraps(asked)
    def answered(visible: Visibility, *arguments: Any, **options: Any) -> Any:
        # Asked anyway: the queries that the answer stands on are there for others.
        answer = asked(visible, *arguments, **options)
        return "true" if who_asks() == site else answer

    setattr(Visibility, question, answered)


def forget_statements() -> None:
    """Let all statements of the repositories be composed anew."""
    for module in MODULES:
        for known in vars(module).values():
            if hasattr(known, "cache_clear"):
                known.cache_clear()


def watch(heard: set[str]) -> None:
    """Collect the functions of the repositories that ask `Visibility` while tests run."""
    for question in ("workspace", "group"):
        asked: Callable[..., Any] = getattr(Visibility, question)

        @wraps(asked)
        def overheard(visible: Visibility, *arguments: Any, asked: Callable[..., Any] = asked, **options: Any) -> Any:
            heard.add(who_asks())
            return asked(visible, *arguments, **options)

        setattr(Visibility, question, overheard)


def who_asks() -> str:
    """Return which function of the repositories asks `Visibility`, as `module.qualified_name`."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not frame.f_globals["__name__"].startswith(f"{repositories.__name__}."):
        frame = frame.f_back
    if frame is None:
        return ""
    name = _name_of(frame)
    return _name_of(frame.f_back) if name == ASKS_FOR_ITS_CALLER and frame.f_back else name


def _name_of(frame: FrameType) -> str:
    return f"{frame.f_globals['__name__'].removeprefix(f'{repositories.__name__}.')}.{frame.f_code.co_qualname}"


def forget_whose(module: ModuleType, name: str) -> None:
    """Put in the place of a function the same for which a row of anybody's is the caller's."""
    function = dict(functions(module))[name]
    spoilt = ast.unparse(function).replace(CALLERS_OWN, "table.c.caller == table.c.caller")
    exec(compile(spoilt, module.__file__ or "", "exec"), vars(module))  # noqa: S102  our own source


def drop_from_text(module: ModuleType, path: Sequence[str], rest: str) -> None:
    """Put a text without one of its conditions in the place of a text, wherever it is known."""
    name, *key = path
    whole = getattr(module, name)
    if key:
        whole[key[0]] = rest
        return
    for other in (predicates, many_workspaces, *MODULES):
        for known in [known for known, value in vars(other).items() if value is whole]:
            setattr(other, known, rest)


# ---- row-level security ------------------------------------------------------------------------------------
@dataclass(frozen=True)
class RowPolicy:
    """A policy as the revisions leave it: `visible` is empty where it is of what is added alone.

    What may be written is the same where `writable` is empty.
    """

    table: str
    name: str
    roles: str
    visible: str
    writable: str

    @property
    def on(self) -> str:
        return f"{self.name} ON {self.table}"


_POLICY = re.compile(
    r"CREATE POLICY (\w+) ON (\w+\.\w+) (?:FOR \w+ )?TO ([\w, ]+?)(?:\s+USING \((.*?)\))?(?:\s+WITH CHECK \((.*)\))?",
    re.DOTALL,
)
_DROPPED_POLICY = re.compile(r"DROP POLICY (?:IF EXISTS )?(\w+) ON (\w+\.\w+)")
_FUNCTION = re.compile(r"\s*CREATE (?:OR REPLACE )?FUNCTION wellspring\.(\w+\([^)]*\))(.*)", re.DOTALL)
_RENAMED_FUNCTION = re.compile(r"ALTER FUNCTION wellspring\.(\w+)\([^)]*\) RENAME TO (\w+)")


class _Written:
    """Takes what Alembic would send, a statement at a time."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def write(self, statement: str) -> None:
        self.statements.append(statement.strip().removesuffix(";"))

    def flush(self) -> None:
        """Do nothing: nothing waits."""


@cache
def _migrated() -> Sequence[str]:
    """Return the statements of every revision that there is, the first revision's first."""
    written = _Written()
    options = {"as_sql": True, "output_buffer": written}
    context = MigrationContext.configure(dialect_name="postgresql", opts=options)
    revisions = ScriptDirectory(str(migrations.ROOT)).walk_revisions()
    with Operations.context(context):
        for script in reversed(list(revisions)):
            script.module.upgrade()
    return written.statements


@cache
def policies() -> Sequence[RowPolicy]:
    """Return the policies that the revisions leave."""
    found: dict[str, RowPolicy] = {}
    for statement in _migrated():
        if made := _POLICY.fullmatch(statement):
            name, table, roles, visible, writable = made.groups()
            found[f"{name} ON {table}"] = RowPolicy(table, name, roles, visible or "", writable or "")
        elif dropped := _DROPPED_POLICY.fullmatch(statement):
            del found[f"{dropped[1]} ON {dropped[2]}"]
    return tuple(found.values())


@cache
def sql_functions() -> Mapping[str, str]:
    """Return the functions that the revisions leave: the body of each, by its name and parameters."""
    found: dict[str, str] = {}
    for statement in _migrated():
        if made := _FUNCTION.fullmatch(statement):
            # Written down and not run, a statement has its percent signs twice.
            found[made[1]] = made[2].replace("%%", "%")
        elif renamed := _RENAMED_FUNCTION.fullmatch(statement):
            old = next(signature for signature in found if signature.partition("(")[0] == renamed[1])
            found[f"{renamed[2]}{old.removeprefix(renamed[1])}"] = found.pop(old)
    return found


# What answers are read from, whose guards stand beside the policies: of each function the conditions of the caller.
KEPT = ("sync_messages", "sync_runs", "connector_state", "connector_rows", "connector_activity")
# Records, and who else brings them in, are the second guard's alone; whose connector it is, both ask.
ANSWERING = {"rows_of_record": slice(None), "rows_of_connector": slice(1), "sole_of": slice(1, None)}
# The conditions that say of a record's connector what is said of the record, or the other way round: no tenant moves,
# so both are of one workspace.
_SAID_TWICE = {"rows_of_record": range(2, 10), "rows_of_connector": range(8, 12), "sole_of": range(3, 7)}
_SEEN = re.compile(r"\(coalesce\(parent\.workspace_pk = ANY .*? w\.deleted_at IS NULL\)\)")


def _opened() -> Iterator[str]:
    """Yield the statements that make answers show everybody everything."""
    kept = (*KEPT, "idempotency_keys", "audit")
    yield from (f"ALTER TABLE wellspring.{table} DISABLE ROW LEVEL SECURITY" for table in kept)
    for signature, whole in sql_functions().items():
        body, asked = whole, list(_SEEN.finditer(whole))[ANSWERING.get(signature.partition("(")[0], slice(0))]
        for found in reversed(asked):
            body = f"{body[: found.start()]}true{body[found.end() :]}"
        if asked:
            yield f"CREATE OR REPLACE FUNCTION wellspring.{signature} {body}"
    yield (
        "CREATE OR REPLACE VIEW wellspring.connector_activity_of_caller AS SELECT kept.* FROM"
        " wellspring.connector_activity AS kept"
    )


WITHOUT_SECOND = (*(f"ALTER TABLE core_api.{table} DISABLE ROW LEVEL SECURITY" for table in TABLES), *_opened())
_SQL_CONDITION = re.compile(
    r"(?:[a-z]+|\{parent\})\.deleted_at IS NULL|membership\.status = 'active'|caller\.id = wellspring\.caller\(\)"
    r"|membership\.people_pk = \(SELECT pk FROM caller\)"
    r"|there\.id = ANY \(:claimed_workspaces::UUID\[\]\)"
    r"|caller\.source IS NOT NULL"
    r"|[a-z._]*pk = ANY \(\(SELECT wellspring\.\w+\(\)\)::bigint\[\]\)|\(SELECT wellspring\.is_service\(\)\)"
    r"|wellspring\.(?:sees_workspace|is_member_of)\([a-z._]+\)"
)


def without_each(sql: str) -> Iterator[tuple[str, str]]:
    """Return each condition of a text of SQL, and the text that has `true` in its place."""
    for number, found in enumerate(_SQL_CONDITION.finditer(sql), 1):
        yield f"{number}. {found.group()}", f"{sql[: found.start()]}true{sql[found.end() :]}"


# ---- all of them -----------------------------------------------------------------------------------------
def _first() -> Iterator[Mutant]:
    for site, questions in sites().items():
        for question in sorted(questions):
            spoil = partial(answer_yes, site, question)
            yield Mutant(f"{site} asks for no {question}", "first", WITHOUT_SECOND, spoil)
    # The queue's texts are for a service, which sees all.
    for module in (predicates, many_workspaces, *(module for module in MODULES if ".sync." not in module.__name__)):
        for name, path in texts(module):
            whole = getattr(module, path[0]) if len(path) == 1 else getattr(module, path[0])[path[1]]
            for text, rest in without_each(whole) if isinstance(whole, str) else ():
                yield Mutant(
                    f"{name} without {text}", "first", WITHOUT_SECOND, partial(drop_from_text, module, path, rest)
                )
    for module in MODULES:
        for name, function in functions(module):
            if CALLERS_OWN in ast.unparse(function):
                spoil = partial(forget_whose, module, name)
                yield Mutant(f"{name} without 0. {CALLERS_OWN}", "first", WITHOUT_SECOND, spoil)


def _second() -> Iterator[Mutant]:
    # The conditions of the tables of one kind differ in names only.
    of_a_kind = {resource.policy: resource.table for resource in reversed(OBJECTS)}
    for policy in policies():
        yield Mutant(f"{policy.name} is dropped", "second", [f"DROP POLICY {policy.on}"])
        for kind, clause, condition in (("shows", "USING", policy.visible), ("takes", "WITH CHECK", policy.writable)):
            if not condition:
                continue
            alter = f"ALTER POLICY {policy.on} {clause}"
            yield Mutant(f"{policy.name} {kind} everything", "second", [f"{alter} (true)"])
            table = policy.table.partition(".")[2]
            for text, rest in without_each(condition) if table in of_a_kind.values() else ():
                yield Mutant(f"{policy.name} {kind} without {text}", "second", [f"{alter} ({rest})"])
    for signature, body in sql_functions().items():
        name = signature.partition("(")[0]
        # Events are made of what is written, for nobody who asks: tests/outbox.
        for number, (text, rest) in enumerate(() if name.startswith("emit_") else without_each(body), 1):
            if number not in _SAID_TWICE.get(name, ()):
                sql = f"CREATE OR REPLACE FUNCTION wellspring.{signature} {rest}"
                yield Mutant(f"{signature} without {text}", "second", [sql])


# The predicates by itself: nothing may fail.
ALONE = Mutant("row-level security is off", "first", WITHOUT_SECOND)


def mutants(*, with_equivalent: bool = False) -> list[Mutant]:
    """Return all of them, `ALONE` first."""
    found = (*_first(), *_second())
    return [ALONE, *(mutant for mutant in found if with_equivalent or mutant.name not in EQUIVALENT)]
