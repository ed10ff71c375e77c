"""Limits of a migration's waits. All of it together is less than the migration function's time limit."""

LOCK_TIMEOUT = "4s"
STATEMENT_TIMEOUT = "60s"
WAIT_FOR_ANOTHER_MIGRATION_SECONDS = 300
WAIT_TO_BE_LET_IN_SECONDS = 180
ADVISORY_LOCK = 0x57454C4C  # "WELL"
