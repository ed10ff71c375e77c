"""Two tenants that know nothing of each other, and a page of each for every record type."""

import pytest

from tests.support.tenants import Tenant, tenant
from tests.support.world import World


@pytest.fixture
def ours(world: World) -> Tenant:
    """The caller's tenant, of companies."""
    return tenant(world, "company")


@pytest.fixture
def theirs(world: World) -> Tenant:
    """A foreign tenant, of companies."""
    return tenant(world, "company")
