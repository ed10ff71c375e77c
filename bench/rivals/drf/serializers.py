"""The documents."""

from typing import Any

from rest_framework_json_api import serializers
from rest_framework_json_api.relations import ResourceRelatedField

from bench.rivals.drf import models

TIMES = ["created_at", "updated_at", "deleted_at"]


class Related(ResourceRelatedField):
    """A relationship whose foreign key does not hold the id that is shown."""

    def use_pk_only_optimization(self) -> bool:
        """Say that the related object is needed; the view has joined it."""
        return False


class CompanySerializer(serializers.ModelSerializer):
    """A company."""

    class Meta:
        """What is shown."""

        model = models.Company
        resource_name = "company"
        fields = ["name", *TIMES]


class WorkspaceConnectorSerializer(serializers.ModelSerializer):
    """A workspace's connector."""

    class Meta:
        """What is shown."""

        model = models.WorkspaceConnector
        resource_name = "workspace_connector"
        fields = ["status", *TIMES]


class CompanyWorkspaceConnectorSerializer(serializers.ModelSerializer):
    """A row of provenance."""

    company = Related(queryset=models.Company.objects.filter(deleted_at=None, workspace__deleted_at=None))
    workspace_connector = Related(
        queryset=models.WorkspaceConnector.objects.filter(deleted_at=None, workspace__deleted_at=None)
    )
    included_serializers = {
        "company": CompanySerializer,
        "workspace_connector": WorkspaceConnectorSerializer,
    }

    class Meta:
        """What is shown."""

        model = models.CompanyWorkspaceConnector
        resource_name = "company_workspace_connector"
        fields = ["direction", *TIMES, "company", "workspace_connector"]

    def validate(self, attrs: Any) -> Any:
        """Raise `ValidationError` where record and connector belong to different workspaces."""
        if attrs["company"].workspace_id != attrs["workspace_connector"].workspace_id:
            raise serializers.ValidationError("record and connector belong to different workspaces")
        return attrs
