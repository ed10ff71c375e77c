"""The demo's group, its members and enrolments, and its choices, with the ids that events and examples name.

In the demo they come over HTTP and have ids of the server's making. What replays an event wants those that it names.
"""

from collections.abc import Mapping

from local.demo_data import CHOICES, GROUP_NAME, GROUPED, MEMBER, OWNER, Row
from wellspring.example_ids import demo_id

GROUP = demo_id("workspace_group", "0")

# What comes over HTTP only, with ids of the server's making: here with those of the events and of the examples.
# Columns of each table and their types; a column that refers to another table names it.
OWN: Mapping[str, Mapping[str, str]] = {
    "workspace_groups": {"id": "uuid", "name": "text", "created_by": "peoples"},
    "workspace_group_memberships": {
        "id": "uuid",
        "people": "peoples",
        "workspace_group": "workspace_groups",
        "role": "text",
        "status": "text",
    },
    "workspace_group_workspaces": {
        "id": "uuid",
        "workspace_group": "workspace_groups",
        "workspace": "workspaces",
        "created_by": "peoples",
    },
    "workspace_providers": {
        "id": "uuid",
        "workspace": "workspaces",
        "provider": "providers",
        "is_selected": "boolean",
        "is_matched": "boolean",
    },
}
_REFERRED = {"peoples", "workspaces", "providers", "workspace_groups"}


def rows() -> dict[str, list[Row]]:
    """Return the rows of each table, those that others refer to first; references are by id."""
    return {
        "workspace_groups": [{"id": GROUP, "name": GROUP_NAME, "created_by": OWNER}],
        "workspace_group_memberships": [
            {
                "id": demo_id("workspace_group_membership", "0", number),
                "people": person,
                "workspace_group": GROUP,
                "role": role,
                "status": "active",
            }
            for number, person, role in ((1, OWNER, "owner"), (2, MEMBER, "member"))
        ],
        "workspace_group_workspaces": [
            {
                "id": demo_id("workspace_group_workspace", letter),
                "workspace_group": GROUP,
                "workspace": demo_id("workspace", letter),
                "created_by": OWNER,
            }
            for letter in GROUPED
        ],
        "workspace_providers": [
            {
                "id": demo_id("workspace_provider", letter, number),
                "workspace": demo_id("workspace", letter),
                "provider": demo_id("provider", "0", number),
                "is_selected": is_selected,
                "is_matched": True,
            }
            for letter, number, is_selected in CHOICES
        ],
    }


def insert_statement(table: str, columns: Mapping[str, str]) -> str:
    """Return the statement that inserts a JSON array of rows, given as `:rows`, and skips those that are there.

    They get their keys in the order of their ids: rows of one moment are listed in the order of their keys (ADR 0006).
    """
    targets, values, fields, joins = [], [], [], []
    for name, kind in columns.items():
        refers = kind in _REFERRED
        targets.append(f"{name}_pk" if refers else name)
        values.append(f"{name}_.pk" if refers else f"row_.{name}")
        fields.append(f"{name} {'uuid' if refers else kind}")
        if refers:
            joins.append(f" JOIN core_api.{kind} {name}_ ON {name}_.id = row_.{name}")
    return (
        f"INSERT INTO core_api.{table} ({', '.join(targets)}) SELECT {', '.join(values)}"
        f" FROM jsonb_to_recordset(:rows) AS row_({', '.join(fields)}){''.join(joins)} ORDER BY row_.id"
        " ON CONFLICT DO NOTHING"
    )
