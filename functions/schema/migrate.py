"""Brings the database's schema up to date, while CloudFormation waits with everything else."""

from wellspring.handlers.deployment import schema_migration

handler = schema_migration()
