"""The routes' views."""

from typing import Any

from rest_framework_json_api.views import ModelViewSet

from bench.rivals.drf import models
from bench.rivals.drf.serializers import CompanyWorkspaceConnectorSerializer


class CompanyWorkspaceConnectorViewSet(ModelViewSet):
    """Rows of provenance whose two parents are live, and of workspaces that the caller is a member of."""

    serializer_class = CompanyWorkspaceConnectorSerializer
    queryset = models.CompanyWorkspaceConnector.objects.filter(
        deleted_at=None, company__deleted_at=None, workspace_connector__deleted_at=None
    )
    select_for_includes = {"__all__": ["company", "workspace_connector"]}

    def get_queryset(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the caller sees."""
        mine = models.WorkspaceMembership.objects.filter(
            people__id=self.request.user.sub,
            people__deleted_at=None,
            workspace__deleted_at=None,
            status="active",
            deleted_at=None,
        ).values("workspace")
        rows = super().get_queryset(*args, **kwargs)
        return rows.filter(company__workspace__in=mine, workspace_connector__workspace__in=mine)
