"""The tables, as they are: made by the project's migrations, not by Django's.

The uuid is what Django takes for the primary key; foreign keys hold the other one.
"""

from typing import Any

from django.db import models
from django.db.models.functions import Now


class Row(models.Model):
    """What every table has."""

    id = models.UUIDField(primary_key=True, db_default=models.Func(function="uuidv7"), editable=False)
    # An identity column: what the default says is only that the database has one.
    key = models.BigIntegerField(db_column="pk", unique=True, db_default=0, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)
    deleted_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        """It is no table itself."""

        abstract = True

    def __str__(self) -> str:
        """Return what an error calls it."""
        return str(self.id)


def reference(model: str, column: str) -> Any:
    """Return a foreign key to the other key of `model`; nothing leads back."""
    return models.ForeignKey(model, models.DO_NOTHING, to_field="key", db_column=column, related_name="+")


class Workspace(Row):
    """A tenant."""

    class Meta:
        """Its table."""

        db_table = "workspaces"


class People(Row):
    """A person."""

    class Meta:
        """Its table."""

        db_table = "peoples"


class WorkspaceMembership(Row):
    """A person in a workspace."""

    people = reference("People", "people_pk")
    workspace = reference("Workspace", "workspace_pk")
    status = models.TextField()

    class Meta:
        """Its table."""

        db_table = "workspace_memberships"


class Company(Row):
    """A record."""

    name = models.TextField()
    workspace = reference("Workspace", "workspace_pk")

    class Meta:
        """Its table."""

        db_table = "companies"


class WorkspaceConnector(Row):
    """A connector of a workspace."""

    status = models.TextField()
    workspace = reference("Workspace", "workspace_pk")

    class Meta:
        """Its table."""

        db_table = "workspace_connectors"


class CompanyWorkspaceConnector(Row):
    """Which connector brought a record in, or carried it out."""

    company = reference("Company", "company_pk")
    workspace_connector = reference("WorkspaceConnector", "workspace_connector_pk")
    direction = models.TextField(choices={"input": "input", "output": "output"})

    class Meta:
        """Its table."""

        db_table = "company_workspace_connectors"
