"""Pages that are read parent by parent: heads, then lateral (docs/adr/0002).

The parents that drive a page (the connectors a caller sees, or the records a filter names) each give their first row by
an index on (parent, time, pk). The page can only hold rows of the parents with the smallest heads, so only those are
read further, at most a page each. The cost depends on the number of parents and the page's size, not on the size of the
tenant or of the table, nor on how deep the page is.

Where no single index holds the list's rows (live and dead ones, both directions), those that together do are each read
as far, and their rows merged (docs/adr/0029).
"""

from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    bindparam,
    case,
    cast,
    column,
    exists,
    func,
    literal_column,
    not_,
    null,
    or_,
    select,
    true,
    tuple_,
    union_all,
)

from wellspring.access.predicates import IDS, asked_about, workspace_of
from wellspring.models import aliased
from wellspring.models.base import instant
from wellspring.models.walks import Walk, declared, pieces
from wellspring.queries import Sort
from wellspring.repositories.ledger.building import COUNTED, PageBuilder
from wellspring.repositories.ledger.columns import LAST_CHARACTER, parent_filters, target_table
from wellspring.repositories.ledger.left import ONE
from wellspring.repositories.ledger.shapes import Shape, parameter_name
from wellspring.resources import Drives, Relationship

# Of how many rows of each head's parent a large page finds out how far it reaches, at least.
SAMPLED = 10
# Which of the parents that a request names leads to its rows: the first of these.
_LEADING: tuple[Drives, ...] = ("named", "always", "named_by_service", "one_by_service")
# How many of the first heads' parents are read for how far another page reaches, and beside how many that pays.
NEAREST, SPARED_FROM = 3, 8


class HeadsThenLateral(PageBuilder):
    """Reads parent by parent, along the indexes on (parent, time, pk)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self.leading, self.within = self._parents()
        # Rows of a message stand together on its connector, at the time when it was processed.
        self.column = "workspace_connector_pk" if self.leading.is_trace else self.leading.column
        self.time = shape.sort.name
        # Whether rows are shown whose other parent alone opens them. A live one is in a workspace that its group opens,
        # too (`access.predicates`), so it is dead.
        named = {name for name, _ in shape.conditions}
        any_way = self.resource.tenancy == "any" and shape.person
        self.has_left = any_way and shape.deleted != "exclude" and self.leading.name not in named
        self.walks = self._walks()
        self.driver = self._driver()

    def _parents(self) -> tuple[Relationship, Relationship | None]:
        """Return by whose parents the page is read, and the named parents within which, if an index has both."""
        named = {name for name, _ in self.shape.conditions}
        drivers = [relationship for relationship in self.resource.to_one if relationship.drives]
        # What is named has fewer rows than what always drives, whichever is declared first; that has every order.
        drivers.sort(key=lambda relationship: _LEADING.index(relationship.drives))
        always = next(found for found in drivers if found.drives == "always")
        together = {(walk.parent, walk.within) for walk in declared(self.table)}
        for other in drivers:
            is_led = self.shape.person or always.name in named
            if is_led and other.name in named and (always.column, other.column) in together:
                return always, other
        # Not for a person: it is of all tenants, and theirs would lie behind the rows of others.
        leading = (found for found in drivers if not (self.shape.person and found.drives == "one_by_service"))
        # The record comes first in a declaration, so a filter on it wins: one record has few rows.
        return next((found for found in leading if found.name in named), always), None

    def _walks(self) -> list[Walk]:
        shape, within = self.shape, None if self.within is None else self.within.column
        found = pieces(self.table, self.column, self.time, shape.halves, shape.direction, within)
        if self.has_left:
            left = self._opening.column
            found += pieces(self.table, self.column, self.time, (False,), shape.direction, left)
        return list(dict.fromkeys(found))

    @property
    def _opening(self) -> Relationship:
        """The other parent that opens rows."""
        return next(other for other in self.resource.to_one if other.drives and other is not self.leading)

    @property
    def only_finds(self) -> bool:
        """Whether the leading parent finds rows, and does not say whether they are there, nor who sees them."""
        return self.leading.drives == "one_by_service"

    @property
    def is_sorted(self) -> bool:
        """Whether some index has the rows of a parent in the list's order."""
        if self.leading.is_trace:
            return self.time == "created_at"
        there = declared(self.table)
        if self.only_finds:
            return all(walk in there for walk in self.walks)
        return any(walk.parent == self.column and walk.time == self.time for walk in there)

    def page(self) -> CTE:
        """Return the first rows of the drivers whose heads come first."""
        heads = self._heads()
        # Before the rows of the k-th head stand k - 1 heads at least: so many fewer of them can be on the page.
        most = bindparam("rows", type_=Integer) - heads.c.place + 1
        reach = self._reach(heads) if self.shape.large or self.is_foreseen else None
        found = self._rows_of(heads, most, full=True, reach=reach)
        leading = [] if self.leading.is_trace else [heads.c.id.label(f"{self.leading.name}_id")]
        return (
            select(*found.c, *leading)
            .select_from(heads.join(found, true()))
            .order_by(*self._order(found.c[self.time], found.c.pk, reverse=self.shape.backward))
            .limit(bindparam("rows", type_=Integer))
            .cte("page")
        )

    def row_behind(self) -> Select[Any]:
        """Return the nearest row of each driver at and behind the cursor."""
        nearest = self._rows_of(self.driver, ONE, full=False, behind=True)
        return select(literal_column("1")).select_from(self.driver.join(nearest, true()))

    def any_rows(self) -> Select[Any]:
        """Return the first rows of each driver."""
        rows = self._rows_of(self.driver, COUNTED, full=False)
        return select(rows.c.pk).select_from(self.driver.join(rows, true()))

    def _driver(self) -> CTE:
        """Return the parents that can have rows the caller sees and the filters leave.

        Beside its keys each has what its rows need to know: its workspace, the parent within which they are, if it is
        of such, and whether it is live, where dead rows are asked for, which outlive it.
        """
        table = target_table(self.leading)
        parent: FromClause = table.alias(self.leading.name)
        conditions = parent_filters(self.leading, parent, self.shape.conditions)
        leads = not conditions
        if not leads and self.shape.person:
            parent, conditions = self._asked_about(self.leading), []
        if self.leading.is_trace:
            # Forgotten it may be, but not tombstoned.
            where = [parent.c.workspace_connector_pk, parent.c.processed_at, literal_column("true").label("is_live")]
            return (
                select(parent.c.pk, parent.c.id, parent.c.workspace_pk, *where)
                .where(self.visible.through(parent, table.name), *conditions)
                .cte("driver")
            )
        guards = self.leading.guards and not self.only_finds
        if (self.shape.deleted == "exclude" and guards) or table.name == "workspaces":
            conditions += [parent.c.deleted_at.is_(None)]
        # A service sees the rows of a group that is gone, and all others.
        if not self.only_finds and (self.shape.person or self.resource.tenancy != "any"):
            conditions.append(self.visible.through(parent, table.name, leads=leads))
        source: FromClause = parent
        within: ColumnElement[Any] = cast(null(), BigInteger)
        if self.within is not None:
            other = self._asked_about(self.within)
            source, within = parent.join(other, true()), other.c.pk
        whole = select(*self._of_driver(parent, within)).select_from(source).where(*conditions)
        return (union_all(whole, self._left()) if self.has_left else whole).cte("driver")

    def _asked_about(self, relationship: Relationship) -> FromClause:
        """Return the parents that a filter names, and somebody's that is nobody's for each that is not there."""
        table = target_table(relationship)
        ids = bindparam(parameter_name(relationship.name, "in"), type_=IDS)
        wanted = ("deleted_at", "workspace_connector_pk", "processed_at")
        return asked_about(table, ids, *(name for name in wanted if name in table.c))

    def _of_driver(self, parent: FromClause, within: ColumnElement[Any]) -> list[ColumnElement[Any]]:
        """Return the columns of a driver."""
        workspace = workspace_of(parent, target_table(self.leading).name)
        # Only what the caller is known to see: the workspace of a member may be gone.
        known: ColumnElement[Any] = cast(null(), BigInteger) if workspace is None or self.only_finds else workspace
        is_live = parent.c.deleted_at.is_(None).label("is_live")
        return [parent.c.pk, parent.c.id, known.label("workspace_pk"), is_live, within.label("within_pk")]

    def _left(self) -> Select[Any]:
        """Return the drivers that the caller does not see and that have had rows within parents that the caller sees.

        A workspace that has left a group: its enrolment in that group is the group's, too.
        """
        opening, table = target_table(self._opening), target_table(self.leading)
        other, parent = opening.alias("opening"), table.alias(f"left_{self.leading.name}")
        named = parent_filters(self._opening, other, self.shape.conditions)
        left = func.wellspring.workspaces_left(other.c.pk).table_valued(column("pk", BigInteger))
        left = left.render_derived(name="left_by")
        return (
            select(*self._of_driver(parent, other.c.pk))
            .select_from(other.join(left, true()).join(parent, parent.c.pk == left.c.pk))
            .where(
                self.visible.through(other, opening.name, leads=not named),
                *named,
                parent.c.deleted_at.is_(None),
                not_(self.visible.through(parent, table.name)),
            )
        )

    def _heads(self) -> CTE:
        """Return the drivers that can have rows on the page: those with the first heads."""
        if self.is_foreseen:
            source: FromClause = self._foreseen()
            at, pk, columns = source.c.head_at, source.c.head_pk, [source.c[column.name] for column in self.driver.c]
        else:
            first = self._rows_of(self.driver, ONE, full=False)
            at, pk, columns = first.c[self.time], first.c.pk, [*self.driver.c]
            source = self.driver.join(first, true())
        order = self._order(at, pk, reverse=self.shape.backward)
        place = cast(func.row_number().over(order_by=order), Integer).label("place")
        return (
            select(*columns, place)
            .select_from(source)
            .order_by(*order)
            .limit(bindparam("rows", type_=Integer))
            .cte("head")
        )

    @property
    def is_foreseen(self) -> bool:
        """Whether the page's heads are foreseen: a person's plain page of provenance, from its beginning or onwards.

        It is also what is planned once (`ledger.hot`). For others planning the longer statement would cost what it
        spares.
        """
        shape = self.shape
        plain = (shape.conditions, shape.direction, shape.deleted, shape.sort) == ((), None, "exclude", Sort())
        is_any = shape.claimed or shape.backward or shape.large
        return self.resource.policy == "provenance" and shape.person and plain and not is_any

    def _foreseen(self) -> FromClause:
        """Return the drivers that can have a head on the page, each with its head's time and pk (docs/adr/0045).

        The database says of the drivers with the newest rows when these are, whoever sees them: no head is newer. So
        the heads of a page's worth of them are looked up, and of the others only those that may have a row as new as
        the last of these heads: mostly none. Where it says nothing, all heads are looked up.
        """
        rows, driver, newest = bindparam("rows", type_=Integer), self.driver, self._newest()
        turn = func.row_number().over(order_by=(newest.c.newest_at.desc(), newest.c.newest_pk.desc())).label("turn")
        told = driver.join(newest, newest.c.connector_pk == driver.c.pk)
        likely = select(*driver.c, newest.c.newest_at, newest.c.newest_pk, turn).select_from(told).cte("likely")
        near = self._heads_of(select(likely).where(likely.c.turn <= rows).cte("near")).cte("near_head")
        is_full = select(func.count()).select_from(near).scalar_subquery() == rows
        by_place = select(near.c.head_at, near.c.head_pk).order_by(near.c.head_at, near.c.head_pk)
        furthest = by_place.where(is_full).limit(ONE).cte("furthest")
        is_beyond = tuple_(likely.c.newest_at, likely.c.newest_pk) < tuple_(furthest.c.head_at, furthest.c.head_pk)
        within = not_(exists(select(furthest.c.head_pk).where(is_beyond).correlate(likely)))
        others = select(*(likely.c[known.name] for known in driver.c)).where(likely.c.turn > rows, within)
        # What it does not tell of has no row that is as new as this.
        older = select(newest.c.newest_at).where(newest.c.connector_pk.is_(None)).scalar_subquery()
        is_enough = select(exists(select(furthest.c.head_pk).where(func.coalesce(furthest.c.head_at >= older, true()))))
        untold = select(driver).where(not_(is_enough.scalar_subquery()), driver.c.pk.not_in(select(likely.c.pk)))
        far = union_all(others, untold).cte("far")
        return union_all(select(near), self._heads_of(far)).subquery("foreseen")

    def _newest(self) -> CTE:
        """Return the newest rows of drivers; without a driver, what those of all others are older than."""
        rows = bindparam("rows", type_=Integer)
        is_worth = func.count() > literal_column("2", Integer) * rows
        wanted = select(case((is_worth, rows))).select_from(self.driver).scalar_subquery()
        end: tuple[ColumnElement[Any], ColumnElement[Any]] = (
            literal_column("'infinity'::timestamptz"),
            literal_column("9223372036854775807", BigInteger),
        )
        before = self._cursor(self.rows) if self.shape.cursor else end
        newest = getattr(func.wellspring, f"newest_of_{self.table.name}")(wanted, *before)
        columns = (column("connector_pk", BigInteger), column("newest_at", instant), column("newest_pk", BigInteger))
        return select(newest.table_valued(*columns).render_derived()).cte("newest")

    def _heads_of(self, driver: CTE) -> Select[Any]:
        """Return the drivers that have a head, each with its head's time and pk."""
        first = self._rows_of(driver, ONE, full=False)
        head = [first.c[self.time].label("head_at"), first.c.pk.label("head_pk")]
        return select(*(driver.c[known.name] for known in self.driver.c), *head).select_from(driver.join(first, true()))

    def _reach(self, heads: CTE) -> ColumnElement[Any]:
        """Return a time that no row of the page lies beyond: as far as a page of some of its parents' first rows goes.

        They are real rows of the list: where they fill a page, no row beyond the last of that page is on the real one.
        Without it a page would read as much of most parents. A large one asks for some rows of each, another for a page
        of the first few, where there are so many more that this is less.
        """
        rows = bindparam("rows", type_=Integer)
        number = select(func.count()).select_from(heads).scalar_subquery()
        sampled: CTE
        limit: ColumnElement[int]
        if self.shape.large:
            sampled, limit = heads, func.greatest(SAMPLED, 2 * rows / func.greatest(number, 1))
        else:
            is_many = number > literal_column(str(SPARED_FROM), Integer)
            some = heads.c.place <= literal_column(str(NEAREST), Integer)
            sampled, limit = select(heads).where(is_many, some).cte("nearest"), rows
        sample = self._rows_of(sampled, limit, full=False, name="sampled")
        at = sample.c[self.time]
        last = (
            select(at)
            .select_from(sampled.join(sample, true()))
            .order_by(*self._order(at, sample.c.pk, reverse=self.shape.backward))
            .offset(rows - 1)
            .limit(ONE)
            .scalar_subquery()
        )
        ascending = self._ascending(reverse=self.shape.backward)
        if self.shape.sort.by_name:
            beyond: ColumnElement[Any] = func.chr(LAST_CHARACTER) if ascending else literal_column("''")
        else:
            beyond = literal_column(f"'{'' if ascending else '-'}infinity'::timestamptz")
        # In a sub-query of its own: a coalesce() beside a row's column would keep the index from being used.
        reach = select(func.coalesce(last, beyond).label("at")).cte("reach")
        return select(reach.c.at).scalar_subquery()

    def _rows_of(
        self,
        driver: CTE,
        limit: ColumnElement[int],
        *,
        full: bool,
        behind: bool = False,
        reach: ColumnElement[Any] | None = None,
        name: str = "found",
    ) -> FromClause:
        """Return at most `limit` visible rows of one driver, in the list's order.

        Args:
            driver: whose `pk` the rows belong to.
            limit: how many rows.
            full: all columns of the answer, or only those of the order.
            behind: the rows on the other side of the cursor, it included, instead of those ahead of it.
            reach: a time beyond which no row is wanted.
            name: what to call them.
        """
        reverse = self.shape.backward is not behind
        walked = []
        for walk in self.walks:
            of_named = self._of_named(driver)
            row = aliased(self.rows, "row") if of_named is None else of_named
            rows = self._of_driver_on(walk, row, driver, full=full)
            if reach is not None:
                at = self._at(row)
                rows = rows.where(at <= reach if self._ascending(reverse=reverse) else at >= reach)
            walked.append((row, rows))
        found = self._first_rows(walked, limit, behind=behind, of=driver)
        return found.correlate(driver).lateral("behind_row" if behind else name)

    def _of_named(self, driver: CTE) -> FromClause | None:
        """Return the driver's rows of the parents that a filter names, where these guard nothing; None without one.

        They are few, and found by their parents (OFFSET 0): a walk would pass all the driver's others.
        """
        if self.leading.is_trace and not self.is_sorted:
            # No more than one transaction wrote: they are found by its time, and then sorted.
            row = self.rows.alias("of_message")
            rows = select(row).where(*self._is_of_driver(row, driver)).correlate(driver)
            return rows.offset(literal_column("0", Integer)).subquery("row")
        names = {name for name, operator in self.shape.conditions if operator == "in"}
        others = (other for other in self.resource.parents if other is not self.leading)
        named = [other for other in others if other.name in names and not other.guards]
        if not named:
            return None
        row = self.rows.alias("of_named")
        statement = select(row).where(*self._is_of_driver(row, driver))
        for relationship in named:
            parent = target_table(relationship).alias(f"named_{relationship.name}")
            pks = select(parent.c.pk).where(*parent_filters(relationship, parent, self.shape.conditions))
            statement = statement.where(row.c[relationship.column] == func.any(func.array(pks.scalar_subquery())))
        return statement.correlate(driver).offset(literal_column("0", Integer)).subquery("row")

    def _is_of_driver(self, row: FromClause, driver: CTE) -> list[ColumnElement[bool]]:
        """Return the conditions that a row belongs to a driver."""
        if not self.leading.is_trace:
            return [row.c[self.column] == driver.c.pk]
        return [
            row.c[self.column] == driver.c.workspace_connector_pk,
            row.c.created_at == driver.c.processed_at,
            row.c[self.leading.column] == driver.c.pk,
        ]

    def _is_of_messages(self, row: FromClause) -> list[ColumnElement[bool]]:
        """Return the conditions of a filter on messages, where another parent drives."""
        found = []
        for trace in self.resource.traces:
            message = target_table(trace).alias(f"named_{trace.name}")
            named = parent_filters(trace, message, self.shape.conditions)
            if named and trace is not self.leading:
                seen = self.visible.message(message.c.workspace_pk)
                pks = select(message.c.pk).where(*named, seen).scalar_subquery()
                found.append(row.c[trace.column] == func.any(func.array(pks)))
        return found

    def _of_driver_on(self, walk: Walk, row: FromClause, driver: CTE, *, full: bool) -> Select[Any]:
        """Return the visible rows of one driver on one walk."""
        # A driver of no workspace, such as a provider, says nothing of that of its rows.
        table = target_table(self.leading)
        beside = None if workspace_of(table, table.name) is None else driver
        rows = self._walked(walk, row, full=full, by=self.leading, beside=beside)
        rows = rows.where(*self._is_of_driver(row, driver), *self._is_of_messages(row))
        if walk.within is not None:
            rows = rows.where(row.c[walk.within] == driver.c.within_pk)
        elif self.has_left:
            rows = rows.where(driver.c.within_pk.is_(None))
        if walk.live is not False and self.shape.deleted != "exclude" and not self.only_finds:
            dead = [] if walk.live else [row.c.deleted_at.is_not(None)]
            rows = rows.where(or_(driver.c.is_live, *dead))
        return rows
