"""On a schedule: delete messages, kept answers and rows of the audit that are too old to matter."""

from wellspring.handlers.maintenance import pruner

handler = pruner()
