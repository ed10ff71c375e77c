"""The second deployment, by the documents of both: versions, names and policies."""

import json
import re
from typing import Any

import pytest

from local import deploy
from local.settings import ROOT
from tests.aws.stack import MIGRATION, Stack, databases, referred, schemas, translate

FIRST = {"Issuer": "https://issuer.example"}


def marked(**parameters: str) -> Any:
    """Return what SAM makes of the template that `make deploy` sends."""
    given = FIRST | parameters
    return translate(given, configuration=f"CONFIGURATION: '{deploy.digest(given)}'")["Resources"]


def versions(resources: dict[str, Any]) -> dict[str, str]:
    """Return the name that SAM gives the version of each function: another name publishes another one."""
    return {
        each["Properties"]["FunctionName"]["Ref"]: name
        for name, each in resources.items()
        if each["Type"] == "AWS::Lambda::Version"
    }


def differing(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    """Return the names of what is in one alone, or differs."""
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def kinds(resources: dict[str, Any], names: set[str]) -> set[str]:
    return {resources[name]["Type"] for name in names if name in resources}


def test_a_changed_parameter_publishes_every_function_that_traffic_meets_and_nothing_else() -> None:
    before, after = marked(), marked(HistoryDays="60")
    old, new = versions(before), versions(after)
    assert old.keys() == new.keys()
    assert [name for name in old if old[name] == new[name]] == []
    assert kinds(before, differing(before, after)) == {
        "AWS::Lambda::Function",
        "AWS::Lambda::Version",
        "AWS::Lambda::Alias",
    }


def test_a_rehearsals_failure_comes_when_a_version_has_been_published() -> None:
    """Or nothing would be in the way of the second try."""
    text = (ROOT / ".github" / "workflows" / "rehearsal-round.yml").read_text()
    (denied,) = re.findall(r'"Deny".*"LogicalResourceId/(\w+)"', text)
    stack = Stack()
    assert stack.resources[denied]["Type"] == "AWS::Lambda::Alias"
    # What the failing deployment changes moves this alias, once its version is there.
    assert versions(marked()).keys() & stack.needs(denied)
    assert denied in differing(marked(), marked(HistoryDays="61"))
    assert "AWS::Lambda::Version" in {stack.resources[name]["Type"] for name in stack.needs(denied)}


@pytest.mark.parametrize("code", ["functions", "layers_shared"])
def test_a_release_of_code_leaves_database_network_and_roles_as_they_are(code: str) -> None:
    before, after = translate(FIRST)["Resources"], translate(FIRST, **{code: "another"})["Resources"]
    assert kinds(before, differing(before, after)) <= {
        *("AWS::Lambda::Function", "AWS::Lambda::Version", "AWS::Lambda::Alias", "AWS::Lambda::LayerVersion"),
    }
    assert not set(versions(before).values()) & set(versions(after).values())


def test_another_revision_is_no_release_and_has_the_migration_called() -> None:
    before, after = translate(FIRST)["Resources"], translate(FIRST, layers_migrations="another")["Resources"]
    assert versions(before) == versions(after)
    assert before["MigratedSchema"] != after["MigratedSchema"]


def test_a_restore_makes_another_database_with_its_log_and_replaces_nothing_else() -> None:
    before, after = Stack(), Stack(DbSnapshot="point-20260510")
    assert differing(before.resources, after.resources) == {"Database", "DatabaseLogs"}
    log = after.resources["DatabaseLogs"]["Properties"]["LogGroupName"]["Fn::Sub"]
    assert log[1] == {"Database": {"Fn::Sub": "${AWS::StackName}-${DbSnapshot}"}}


def test_a_restored_database_reaches_all_that_refer_to_it(stack: Stack) -> None:
    """By reference, which CloudFormation follows when the database is another one."""
    (database,) = databases(stack)
    referring = {"ProxyTargets", "ProxyRole", "MigrationRole", MIGRATION, "MigratedSchema", "DatabaseCpuAlarm"}
    for name in referring | ({"SecretsEndpoint"} & stack.resources.keys()):
        assert database in stack.needs(name), name
    called = stack.resources["MigratedSchema"]["Properties"]
    # CloudFormation changes the function before it calls it, and calls it because another database has another name.
    assert MIGRATION in stack.needs("MigratedSchema")
    assert called["Database"]["Ref"] in stack.of_type("AWS::RDS::DBInstance")
    # The function, and not a version, which is of the database that was there when it was published.
    assert called["ServiceToken"] == {"Fn::GetAtt": [MIGRATION, "Arn"]}
    assert not [name for name in stack.resources if name.startswith((f"{MIGRATION}Version", f"{MIGRATION}Alias"))]
    hosts = [stack.functions[name]["Environment"]["Variables"]["DB_HOST"] for name in (MIGRATION, "HealthFunction")]
    assert database in hosts[0]["Fn::GetAtt"]
    # And nothing that traffic meets: that goes by way of the proxy, whose address stays.
    assert hosts[1] == {"Fn::GetAtt": ["Proxy", "Endpoint"]}
    assert database not in json.dumps(stack.resources["Proxy"])


def test_a_major_upgrade_changes_engine_and_parameter_group_together(stack: Stack) -> None:
    """What AWS upgrades by itself the next deployment does not take back: it says the major version alone."""
    assert stack.document["Parameters"]["DbMajorVersion"]["AllowedPattern"] == r"\d\d"
    is_instance = stack.conditions["IsInstance"]
    group = stack.resources["DatabaseParameters" if is_instance else "AuroraParameters"]["Properties"]
    assert group["Family"]["Fn::Sub"].endswith("${DbMajorVersion}")
    # Another family replaces the group, which therefore has no name of its own.
    assert not [key for key in group if key.endswith("GroupName")]
    ((_, database),) = databases(stack).items()
    assert database.get("AllowMajorVersionUpgrade", False) is is_instance


def test_a_databases_name_is_the_stacks_and_its_snapshots_and_of_no_other_parameter(stack: Stack) -> None:
    """A renamed database is another, empty one."""
    (name,) = databases(stack)
    key = "DBInstanceIdentifier" if stack.conditions["IsInstance"] else "DBClusterIdentifier"
    raw = json.dumps(stack.document["Resources"][name]["Properties"][key])
    assert [each for each in stack.document["Parameters"] if each in raw] == ["DbSnapshot"]


def replacing(document: dict[str, Any], name: str) -> set[str]:
    """Return the parameters of which another value makes another resource of `name`."""
    resource = document["Resources"][name]
    if resource["Type"] not in schemas():
        return set()
    properties = resource.get("Properties", {})
    fixed = [path.split("/")[2] for path in schemas()[resource["Type"]].get("createOnlyProperties", ())]
    found = {each for key in fixed if key in properties for each in referred(properties[key], document["Conditions"])}
    parameters = found & set(document["Parameters"])
    return parameters.union(*(replacing(document, other) for other in found & set(document["Resources"]) - {name}))


def test_the_page_says_of_which_parameters_cloudformation_refuses_another_value_later(plain: Stack) -> None:
    """It does not replace what has a name of its own by another of that name: the proxy, the database."""
    document, found = plain.document, set()
    for name, resource in document["Resources"].items():
        schema, properties = schemas().get(resource["Type"], {}), resource.get("Properties", {})
        named = [path.split("/")[2] for path in schema.get("primaryIdentifier", ())]
        if named and set(named) <= properties.keys():
            # Another snapshot is another name.
            renamed = {each for key in named for each in referred(properties[key], document["Conditions"])}
            found |= replacing(document, name) - renamed
    assert found == {"VpcId", "SubnetIds", "VpcCidr", "Zones", "DbName", "DbKmsKeyArn"}
    page = (ROOT / "docs" / "settings.md").read_text()
    rows = re.findall(r"^- `(\w+)` (.+(?:\n  .+)*)", page, re.MULTILINE)
    said = [name for name, row in rows if "*with the first deployment*" in row]
    # The database of another engine is another resource, and the policy keeps the one that is there.
    assert set(said) == found | {"DbEngine"}


def test_what_is_named_and_kept_can_be_made_again_after_a_tear_down(stack: Stack) -> None:
    """What stays and has a name is what `make tear-down DATA=delete` deletes, or the next stack meets it."""
    kept = {
        name
        for name, each in stack.resources.items()
        if each.get("DeletionPolicy") in {"Retain", "RetainExceptOnCreate", "Snapshot"}
        and not each["Type"].startswith("AWS::Lambda::")
    }
    assert kept <= {"FeedBucket", "Database", "AuroraCluster", "BackupVault"}
