"""Two tenants that know nothing of each other, and a page of each for every record type; what a read looks at."""

import pytest

from tests.support.api import Caller
from tests.support.databases import FreshDatabase
from tests.support.plans import asked, plan_of
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


def fetched(database: FreshDatabase, url: str, caller: Caller) -> int:
    """Ask for `url`; return how many pages of memory the plans of its statements look at."""
    reply, sent = asked(database, url, caller)
    assert reply.status == 200
    assert reply.document["data"]
    looked_at = 0
    for each in sent:
        plan = plan_of(database, each, caller, "ANALYZE, BUFFERS")
        looked_at += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    return looked_at
