"""The routes, as the product has them: without a slash at the end."""

from rest_framework.routers import DefaultRouter

from bench.rivals.drf.views import CompanyWorkspaceConnectorViewSet

router = DefaultRouter(trailing_slash=False)
router.register("v1/company-workspace-connectors", CompanyWorkspaceConnectorViewSet)
urlpatterns = router.urls
