"""On a schedule: delete message ids and kept answers that are too old to matter."""

from wellspring.handlers.maintenance import pruner

handler = pruner()
