"""The migration function, in the runtime's container: the schema that all other tests of this folder work on is its."""

from tests.sam.conftest import Deployed
from tests.sam.service import MIGRATION
from tests.support.databases import FreshDatabase
from tests.support.events import event

REPLAYED = ("schema_migrate", "schema_migrate_by_hand")


def test_cloudformation_is_answered_with_the_revision_that_the_database_is_at(
    deployed: Deployed, owner: FreshDatabase
) -> None:
    asked, answer = event("schema_migrate"), deployed.migrated[0]
    (revision,) = owner.owner.exec_driver_sql("SELECT version_num FROM wellspring.alembic_version").scalars()
    assert answer == {
        "Status": "SUCCESS",
        "Data": {"Revision": revision},
        "PhysicalResourceId": asked["LogicalResourceId"],
        **{name: asked[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
    }


def test_the_second_call_in_a_warm_container_is_answered_alike(deployed: Deployed) -> None:
    first, second = deployed.migrated
    assert first == second


def test_whoever_calls_by_hand_gets_the_same_revision(deployed: Deployed) -> None:
    answer = deployed.lambdas.invoke(MIGRATION, event("schema_migrate_by_hand"))
    assert answer == {"Status": "SUCCESS", "Data": deployed.migrated[0]["Data"]}
