"""`PATCH /v1/workspace-providers/{id}`: select, match, or neither."""

from wellspring.handlers.writing import update_of
from wellspring.resources import WORKSPACE_PROVIDER

handler = update_of(WORKSPACE_PROVIDER)
