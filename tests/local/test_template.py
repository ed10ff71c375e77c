"""Facts about template.yaml that AWS would only tell at deployment, or never."""

import pytest

from local.settings import ROOT, Settings
from local.template import Template
from wellspring.routes import MCP_PATH, routes


@pytest.fixture(scope="module")
def template() -> Template:
    return Template()


MIGRATION = "SchemaMigrateFunction"


def test_each_kind_of_function_signs_in_as_its_own_user(template: Template) -> None:
    # What agents ask comes as POST, and only reads.
    writing = {f"{route.function}.handler" for route in routes() if route.method != "GET" and route.path != MCP_PATH}
    writing.add("maintenance.prune.handler")
    for name, function in template.functions.items():
        if name == MIGRATION:
            continue
        role = "writer" if function.handler in writing else "reader"
        # What a queue's messages and events do, the release of one by hand does, too.
        if function.handler.startswith("feed.") or (function.handler.startswith("feed_event.") and role == "writer"):
            role = "feeder"
        elif function.handler in {"sync.consume.handler", "maintenance.settle.handler"} or (
            function.handler.startswith("sync_message.") and role == "writer"
        ):
            role = "consumer"
        elif function.handler in {"maintenance.export.handler", "maintenance.publish.handler"}:
            role = "exporter" if "export" in function.handler else "publisher"
        assert function.environment["DB_USER"] == f"wellspring_{role}"


def test_every_function_demands_verified_tls_and_no_function_but_the_migration_a_password(template: Template) -> None:
    for name, function in template.functions.items():
        asked = (function.environment["DB_AUTH"], function.environment["DB_TLS"])
        assert asked == ("secret" if name == MIGRATION else "iam", "verify")


def test_one_parameter_turns_pipelining_off_in_every_function(template: Template) -> None:
    assert template.document["Parameters"]["DbPipelining"]["Default"] == "true"
    variables = template.document["Globals"]["Function"]["Environment"]["Variables"]
    assert variables["DB_PIPELINING"] == {"Ref": "DbPipelining"}
    for function in template.functions.values():
        assert function.environment["DB_PIPELINING"] == "true"


def test_the_sync_queues_are_fifo_and_the_feeds_are_not_and_all_are_encrypted(template: Template) -> None:
    for name, queue in template.queues.items():
        assert queue.name.endswith(".fifo") == name.startswith("Sync")
        assert ("FifoQueue" in queue.attributes) == name.startswith("Sync")
        # Which key encrypts a queue is a deployment's choice (tests/aws/test_options.py).
        assert not {"SqsManagedSseEnabled", "KmsMasterKeyId"} & queue.attributes.keys()


def test_what_a_clock_and_files_call_is_read(template: Template) -> None:
    assert template.bucket.notified == (("LoadQueue", "load/"),)
    assert {function.name: seconds for function, seconds in template.schedules} == {
        "MaintenancePruneFunction": 3600,
        **dict.fromkeys(("MaintenancePublishFunction", "MaintenanceSettleFunction", "FeedSettleFunction"), 60),
    }


def test_layers_are_built_for_the_architecture_of_functions(template: Template) -> None:
    """What each is deployed for is in tests/aws/test_stack.py."""
    assert template.document["Parameters"]["Architecture"]["Default"] == "arm64"
    layers = [each for each in template.resources.values() if each["Type"] == "AWS::Serverless::LayerVersion"]
    assert {str(each["Metadata"]["BuildArchitecture"]) for each in layers} == {str({"Ref": "Architecture"})}


def test_the_runtime_is_the_python_of_the_project(template: Template) -> None:
    version = (ROOT / ".python-version").read_text().strip()
    assert template.document["Globals"]["Function"]["Runtime"] == f"python{version}"


def test_an_outage_of_45_seconds_makes_no_dead_letter_of_what_fails_at_once() -> None:
    """Each receive but the last is followed by a wait: a database that is refused at once is asked again after it."""
    waits = Settings().visibility_timeout
    queues = [queue for queue in Template().queues.values() if queue.dead_letter_queue is not None]
    assert len(queues) > 1
    for queue in queues:
        assert (queue.maximum_receives - 1) * waits > 45
