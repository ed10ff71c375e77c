"""`GET /v1/workspace-groups`: a page of the groups that the caller is a member of."""

from wellspring.handlers.reading import list_of
from wellspring.resources import WORKSPACE_GROUP

handler = list_of(WORKSPACE_GROUP)
