"""The conditions that keep a statement to what its caller may see, as SQL text.

A workspace is seen through an active direct membership, or through a live enrolment in a live group of which the
caller is an active member; a group through an active membership of it; a service sees all. Whatever is tombstoned on
the way closes it.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Table

from wellspring.access.many_workspaces import AMONG_FEW, FEW_OF_THEM, SOME_DIRECT, SOME_OF_GROUPS
from wellspring.access.principal import Person, Principal

CALLER, CLAIMED = "caller_id", "claimed_workspaces"

# ---- the queries that a statement begins with -------------------------------------------------------------
# Who is calling, while they are there. One that only a sync made has no source: it is a contact, and nobody's identity
# (contract, section 3).
WHO = """
SELECT caller.pk
  FROM core_api.peoples AS caller
 WHERE caller.id = :caller_id::UUID AND caller.deleted_at IS NULL AND caller.source IS NOT NULL
"""
GROUPS = """
SELECT team.pk
  FROM core_api.workspace_group_memberships AS membership
  JOIN core_api.workspace_groups AS team ON team.pk = membership.workspace_group_pk
 WHERE membership.people_pk = (SELECT pk FROM caller)
   AND membership.status = 'active' AND membership.deleted_at IS NULL AND team.deleted_at IS NULL
"""
OWN_GROUPS = "SELECT ARRAY(SELECT pk FROM visible_groups) AS pks"
# The two ways to a workspace, live or not: a membership of the caller, and an enrolment in a group.
DIRECT = """
SELECT membership.workspace_pk AS pk
  FROM core_api.workspace_memberships AS membership
 WHERE membership.people_pk = (SELECT pk FROM caller)
   AND membership.status = 'active' AND membership.deleted_at IS NULL
"""
ENROLLED = """
SELECT enrolment.workspace_pk AS pk
  FROM {groups} JOIN core_api.workspace_group_workspaces AS enrolment ON enrolment.workspace_group_pk = {group}
 WHERE enrolment.deleted_at IS NULL
"""
IS_LIVE = "(SELECT true FROM core_api.workspaces AS live WHERE live.pk = {pk} AND live.deleted_at IS NULL)"
# All that the caller sees.
ALL = """
SELECT workspace.pk
  FROM ({ways}) AS way
  JOIN core_api.workspaces AS workspace ON workspace.pk = way.pk
 WHERE workspace.deleted_at IS NULL
"""

# ---- the conditions ---------------------------------------------------------------------------------------
# That a person sees the live workspace of a key: among the few, or looked up by each of the two ways (OFFSET 0:
# beginning with the workspace, it would tell one that is there from one that is not). It takes the same time of a
# workspace that is there and of one that is not (a key of 0), where they are not seen.
LOOKED_UP = "(SELECT way.pk FROM ({way} OFFSET 0) AS way WHERE {is_live} LIMIT 1) IS NOT NULL"
# A range: else all members of the workspace might be read, and tell how many there are.
DIRECT_OF = "{direct} AND membership.workspace_pk BETWEEN {pk} AND {pk}"
# By the workspace's own groups, which are few where the caller's may be hundreds.
ENROLLED_OF = "{enrolled} AND enrolment.workspace_pk = {pk}"
# Where rows are found by it: an array, computed once for the statement. A sub-select would invite the planner to join
# from the tenant's end, which reads the whole tenant for one page. The policies will ask about each row that is found
# by all of them, so they are told to list them, too.
LISTED = "(SELECT wellspring.leave_workspaces({direct})) AND {pk} = ANY (ARRAY(SELECT pk FROM visible))"
IS_THERE = "EXISTS (SELECT FROM core_api.{table} AS there WHERE there.pk = {pk} AND there.deleted_at IS NULL{claim})"
CLAIM = "there.id = ANY (:claimed_workspaces::UUID[])"
CLAIMED_ONES = "{pk} = ANY (ARRAY(SELECT there.pk FROM core_api.workspaces AS there WHERE {claim} AND {sees}))"


class Visibility:
    """What a kind of caller sees. Bind `parameters(principal, workspaces)` when executing.

    Args:
        person: whether the caller is a person; else a service, which sees everything that is live.
        claimed: whether only the workspaces that the caller claims to work in are asked about.
        direct: whether a person sees only the workspaces that they are a member of, not those of their groups.
    """

    def __init__(self, *, person: bool, claimed: bool = False, direct: bool = False) -> None:
        self._person, self._claimed, self._direct = person, claimed, direct
        self._read: set[str] = set()

    @property
    def queries(self) -> dict[str, str]:
        """The queries, by name, that the conditions asked for so far read from, each from those before it."""
        of_groups = ENROLLED.format(groups="visible_groups", group="visible_groups.pk")
        some = SOME_DIRECT.format(direct=DIRECT)
        known = {
            "caller": WHO,
            "visible_groups": GROUPS,
            "own_groups": OWN_GROUPS,
            "visible": ALL.format(ways=DIRECT if self._direct else f"{DIRECT} UNION {of_groups}"),
            "opened": some if self._direct else f"{some} UNION ALL {SOME_OF_GROUPS}",
            "few": FEW_OF_THEM.format(is_live=IS_LIVE.format(pk="opened.pk")),
        }
        return {name: query for name, query in known.items() if name in self._read}

    def before_all(self) -> list[str]:
        """Return conditions that compute what a person sees before any row is looked for; always true."""
        if not self._person:
            return []
        self._read |= {"caller", "visible_groups"}
        return ["(SELECT count(*) FROM visible_groups) IS NOT NULL", f"{self._sees('0')} IS NOT NULL"]

    def _sees(self, pk: str) -> str:
        self._read |= {"caller", "opened", "few"}
        ways = [DIRECT_OF.format(direct=DIRECT, pk=pk)]
        if not self._direct:
            self._read |= {"visible_groups", "own_groups"}
            enrolled = ENROLLED.format(groups="own_groups", group="ANY (own_groups.pks)")
            ways.append(ENROLLED_OF.format(enrolled=enrolled, pk=pk))
        is_live = IS_LIVE.format(pk="way.pk")
        looked_up = " OR ".join(LOOKED_UP.format(way=way, is_live=is_live) for way in ways)
        return AMONG_FEW.format(pk=pk, looked_up=looked_up)

    def workspace(self, pk: str, *, leads: bool = False) -> str:
        """Return the condition that the caller sees the workspace that `pk` points to.

        Where it `leads`, the rows are found by it: nothing that a request names leaves few of them.
        """
        if not self._person:
            return IS_THERE.format(table="workspaces", pk=pk, claim=f" AND {CLAIM}" if self._claimed else "")
        if self._claimed:
            return CLAIMED_ONES.format(pk=pk, claim=CLAIM, sees=self._sees("there.pk"))
        if not leads:
            return self._sees(pk)
        self._read |= {"caller", "visible"} if self._direct else {"caller", "visible_groups", "visible"}
        return LISTED.format(pk=pk, direct=str(self._direct).lower())

    def group(self, pk: str) -> str:
        """Return the condition that the caller is a member of the live group that `pk` points to."""
        if not self._person:
            return IS_THERE.format(table="workspace_groups", pk=pk, claim="")
        self._read |= {"caller", "visible_groups"}
        return f"{pk} = ANY (ARRAY(SELECT pk FROM visible_groups))"

    def message(self, workspace_pk: str, *, leads: bool = False) -> str:
        """Return the condition that the caller sees a message of this workspace; of none, a service does."""
        seen = self.workspace(workspace_pk, leads=leads)
        return seen if self._person or self._claimed else f"({workspace_pk} IS NULL OR {seen})"

    def through(self, parent: str, table: Table, *, leads: bool = False) -> str:
        """Return the condition that the caller sees the tenant of `parent`, a row of `table`.

        `leads` is that of `workspace`. What belongs to no tenant, such as the catalogue of providers, is for everybody.
        """
        if table.name == "workspace_groups":
            return self.group(f"{parent}.pk")
        if table.name == "sync_messages":
            return self.message(f"{parent}.workspace_pk", leads=leads)
        workspace = workspace_of(parent, table)
        return self.workspace(workspace, leads=leads) if workspace else "true"


# The rows of a table that have these ids, and for each id that none has a row of nobody's: its `pk` and `workspace_pk`
# are 0. So the caller's sight of what is there and of what is not is computed alike, and time tells nothing (OFFSET 0:
# before it is).
ASKED_ABOUT = """
SELECT wanted.id, {columns}
  FROM unnest({ids}) AS wanted (id)
  LEFT JOIN {table} AS row ON row.id = wanted.id
OFFSET 0
"""


def asked_about(table: Table, ids: str, *columns: str) -> str:
    """Return the query of the rows of `table` that have the ids of an array, with these columns (`ASKED_ABOUT`)."""
    keys = (f"coalesce(row.{name}, 0) AS {name}" for name in ("pk", "workspace_pk") if name in table.c)
    return ASKED_ABOUT.format(columns=", ".join((*keys, *(f"row.{name}" for name in columns))), ids=ids, table=table)


def workspace_of(parent: str, table: Table) -> str:
    """Return the workspace that a row of `table` belongs to; a workspace is its own. Empty where it is of none."""
    if table.name == "workspaces":
        return f"{parent}.pk"
    return f"{parent}.workspace_pk" if "workspace_pk" in table.c else ""


def parameters(principal: Principal, workspaces: Sequence[UUID] = ()) -> dict[str, object]:
    """Return what `Visibility` needs bound for this caller, and these claimed workspaces."""
    who: dict[str, object] = {CALLER: principal.id} if isinstance(principal, Person) else {}
    return who | ({CLAIMED: list(workspaces)} if workspaces else {})
