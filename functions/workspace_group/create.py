"""`POST /v1/workspace-groups`: make a group, its owner and its first enrolments, all or none."""

from wellspring.handlers.writing import create_of
from wellspring.resources import WORKSPACE_GROUP

handler = create_of(WORKSPACE_GROUP)
