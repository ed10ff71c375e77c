"""Ids of examples. They are the demo's, so that an example of the documents can be tried on a local stack."""

from zlib import crc32

from wellspring.resources import resource_of

# The number of each kind in the demo's ids. A kind that is not here gets one that is made from its name.
KINDS = (
    "workspace",
    "people",
    "company",
    "account",
    "connector",
    "workspace_connector",
    "workspace_group",
    "workspace_membership",
    "workspace_group_membership",
    "workspace_group_workspace",
    "message",
    "provider",
    "workspace_provider",
)


def demo_id(kind: str, workspace: str, number: int = 1) -> str:
    """Return the id of the demo's `number`th `kind` in `workspace` (0 for what belongs to none)."""
    of_kind = KINDS.index(kind) + 1 if kind in KINDS else 0x1000 | crc32(kind.encode()) & 0x7FFF
    return f"01990000-{of_kind:04x}-7000-8000-{workspace}{number:011d}"


def id_of(type_: str) -> str:
    """Return the id of the example of a type: of workspace A, where it belongs to one."""
    resource = resource_of(type_)
    belongs = type_ == "workspace" or resource.relationship("workspace") or resource.policy == "provenance"
    return demo_id(type_, "a" if belongs else "0", resource.example)
