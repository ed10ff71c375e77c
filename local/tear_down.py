"""The end of a stack: `make tear-down STAGE=rehearsal`, with `DATA=delete` also of what CloudFormation keeps.

It keeps what holds data: the bucket of files, logs of databases that a restore has replaced, the databases' snapshots
and automated backups, and the vault of AWS Backup. As long as bucket, log or vault is there, a stack of the same name
cannot be made. A replaced database itself is in the stack's network, and goes before the stack.
"""

import argparse
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import WaiterError

from local.errors import Fault
from local.stages import Stage, status

# CloudFormation waits for the network interfaces of Lambda, which go when they like (operations.md, "Tear down").
MINUTES, SECONDS = 90, 30
# AWS Backup deletes what a vault holds in its own time.
VAULT_TRIES, VAULT_SECONDS = 40, 15
DATABASES = ("AWS::RDS::DBInstance", "AWS::RDS::DBCluster")
# What RDS keeps: what its operations call it, where they list it, whose it is, and its name.
KEPT = {
    "snapshot": ("db_snapshot", "DBSnapshots", "DBInstanceIdentifier", "DBSnapshotIdentifier"),
    "cluster snapshot": (
        *("db_cluster_snapshot", "DBClusterSnapshots"),
        *("DBClusterIdentifier", "DBClusterSnapshotIdentifier"),
    ),
    "automated backup": (
        *("db_instance_automated_backup", "DBInstanceAutomatedBackups"),
        *("DBInstanceIdentifier", "DbiResourceId"),
    ),
    "automated backup of a cluster": (
        *("db_cluster_automated_backup", "DBClusterAutomatedBackups"),
        *("DBClusterIdentifier", "DbClusterResourceId"),
    ),
}
# Of snapshots those that somebody made, a final one included; backups have no such kind.
KINDS = {"manual", None}
# CloudFormation tags what it makes, and the tag stays with what is no longer the stack's (its coverage-roadmap#1049).
TAG = "aws:cloudformation:stack-name"


@dataclass(frozen=True)
class Clients:
    """boto3's clients of those who keep something."""

    s3: Any
    rds: Any
    logs: Any
    backup: Any


def resources(cloudformation: Any, stack: str) -> dict[str, tuple[str, str]]:
    """Return the type and the name of each resource by its logical id."""
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    return {
        each["LogicalResourceId"]: (each["ResourceType"], each.get("PhysicalResourceId", ""))
        for page in pages
        for each in page["StackResourceSummaries"]
    }


def unprotect(rds: Any, found: dict[str, tuple[str, str]]) -> None:
    """Let the database be deleted: the cluster, or the instance that is none of a cluster's.

    A stack whose creation failed lists what it has deleted, or could not make.
    """
    clusters = [name for kind, name in found.values() if kind == "AWS::RDS::DBCluster" and name]
    for name in clusters:
        with suppress(rds.exceptions.DBClusterNotFoundFault):
            rds.modify_db_cluster(DBClusterIdentifier=name, DeletionProtection=False, ApplyImmediately=True)
    for kind, name in found.values() if not clusters else ():
        if kind == "AWS::RDS::DBInstance" and name:
            with suppress(rds.exceptions.DBInstanceNotFoundFault):
                rds.modify_db_instance(DBInstanceIdentifier=name, DeletionProtection=False, ApplyImmediately=True)


def wait_until_gone(cloudformation: Any, stack: str) -> None:
    """Return when a stack has been deleted. Raises Fault when it could not be, or not yet."""
    waiter = cloudformation.get_waiter("stack_delete_complete")
    try:
        waiter.wait(StackName=stack, WaiterConfig={"Delay": SECONDS, "MaxAttempts": MINUTES * 2})
    except WaiterError as error:
        raise Fault(f"{stack} is not gone: {error}. Its events say what holds it; then say it again") from error


def settled(cloudformation: Any, stack: str) -> str:
    """Return a stack's status once nobody makes or updates it. Raises Fault where that does not end.

    In the middle of an update CloudFormation deletes nothing. In the middle of a creation RDS lets nobody unprotect a
    database that it still makes: "Database instance is not in available state" (terraform-provider-aws#31594). A
    rehearsal that was cut off leaves either.
    """
    for _ in range(MINUTES * 2):
        is_now = status(cloudformation, stack)
        if not is_now.endswith("_IN_PROGRESS") or is_now in {"REVIEW_IN_PROGRESS", "DELETE_IN_PROGRESS"}:
            return is_now
        time.sleep(SECONDS)
    raise Fault(f"{stack} is still {is_now}: say it again when that has ended")


def replaced(rds: Any, stack: str, own: Collection[str]) -> Iterator[tuple[str, str]]:
    """Give the databases that are no longer a stack's `own`: a restore left them.

    CloudFormation "removes the old resource from the stack" that it cannot delete (user guide, "Resource removed from
    stack but not deleted"). Later it cannot delete what that is in: "Cannot delete the subnet group [...] because at
    least one database instance [...] is still using it" (anomalyco/sst#4026).
    """
    tag = {"Key": TAG, "Value": stack}
    for page in rds.get_paginator("describe_db_instances").paginate():
        for each in page["DBInstances"]:
            # An instance of a cluster goes when it is replaced.
            if tag in each["TagList"] and "DBClusterIdentifier" not in each and each["DBInstanceIdentifier"] not in own:
                yield "database", each["DBInstanceIdentifier"]
    for page in rds.get_paginator("describe_db_clusters").paginate():
        for each in page["DBClusters"]:
            if tag in each["TagList"] and each["DBClusterIdentifier"] not in own:
                yield "cluster", each["DBClusterIdentifier"]


def kept(aws: Clients, bucket: str, databases: Collection[str], stack: str) -> Iterator[tuple[str, str]]:
    """Give what a deleted stack leaves beside databases: what it is, and its name.

    `databases` are the names that they had, and no prefix: `wellspring` is one of `wellspring-staging`. The proxy and
    the vault of AWS Backup have the stack's name.
    """
    if bucket in {each["Name"] for each in aws.s3.list_buckets()["Buckets"]}:
        yield "bucket", bucket
    for page in aws.backup.get_paginator("list_backup_vaults").paginate():
        if stack in {each["BackupVaultName"] for each in page["BackupVaultList"]}:
            yield "backup vault", stack
    # RDS makes these itself where it has a last line to write after CloudFormation has deleted them.
    of_rds = [
        f"/aws/rds/{kind}/{database}/postgresql" for database in sorted(databases) for kind in ("instance", "cluster")
    ]
    for name in (*of_rds, f"/aws/rds/proxy/{stack}"):
        found = aws.logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        if name in {each["logGroupName"] for each in found}:
            yield "log group", name
    yield from kept_by_rds(aws.rds, databases)


def kept_by_rds(rds: Any, databases: Collection[str]) -> Iterator[tuple[str, str]]:
    """Give the snapshots and the backups of databases that are gone."""
    for what, (kind, key, of, name) in KEPT.items():
        for page in rds.get_paginator(f"describe_{kind}s").paginate():
            for each in page[key]:
                # Of a database that runs, the backups are its own. Automated snapshots go with the automated backup,
                # those of AWS Backup with its vault.
                if each[of] in databases and each.get("Status") != "active" and each.get("SnapshotType") in KINDS:
                    yield what, each[name]


def delete_bucket(s3: Any, name: str) -> None:
    """Delete a bucket, and before it all versions of all files."""
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
        objects = [
            {"Key": each["Key"], "VersionId": each["VersionId"]}
            for each in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
        ]
        if objects:
            s3.delete_objects(Bucket=name, Delete={"Objects": objects, "Quiet": True})
    s3.delete_bucket(Bucket=name)


def delete_vault(backup: Any, name: str) -> None:
    """Delete a vault, and before it what it holds. Raises Fault where that is not gone in time."""
    for _ in range(VAULT_TRIES):
        points = [
            each
            for page in backup.get_paginator("list_recovery_points_by_backup_vault").paginate(BackupVaultName=name)
            for each in page["RecoveryPoints"]
        ]
        if not points:
            backup.delete_backup_vault(BackupVaultName=name)
            return
        for each in points:
            if each["Status"] != "DELETING":
                backup.delete_recovery_point(BackupVaultName=name, RecoveryPointArn=each["RecoveryPointArn"])
        time.sleep(VAULT_SECONDS)
    raise Fault(f"the vault {name} is not empty yet: say it again")


def delete(aws: Clients, what: str, name: str) -> None:
    """Delete one thing that was kept."""
    match what:
        case "bucket":
            delete_bucket(aws.s3, name)
        case "backup vault":
            delete_vault(aws.backup, name)
        case "log group":
            aws.logs.delete_log_group(logGroupName=name)
        case "database" | "cluster":
            kind, key = (
                ("cluster", "DBClusterIdentifier") if what == "cluster" else ("instance", "DBInstanceIdentifier")
            )
            getattr(aws.rds, f"modify_db_{kind}")(**{key: name}, DeletionProtection=False, ApplyImmediately=True)
            aws.rds.get_waiter(f"db_{kind}_available").wait(**{key: name})
            getattr(aws.rds, f"delete_db_{kind}")(**{key: name}, SkipFinalSnapshot=True)
            aws.rds.get_waiter(f"db_{kind}_deleted").wait(**{key: name})
        case _:
            kind, _, _, key = KEPT[what]
            getattr(aws.rds, f"delete_{kind}")(**{key: name})


def main(arguments: list[str]) -> int:
    """Delete a stage's stack, and say what is left of it or delete that too."""
    parser = argparse.ArgumentParser(prog="python -m local.tear_down")
    parser.add_argument("stage")
    parser.add_argument("--role-arn", help="the role that CloudFormation works with")
    parser.add_argument("--data", choices=["keep", "delete"], default="keep")
    given = parser.parse_args(arguments)
    stage = Stage.read(given.stage)
    session = stage.session()
    cloudformation = session.client("cloudformation")
    aws = Clients(*(session.client(name) for name in ("s3", "rds", "logs", "backup")))
    account = session.client("sts").get_caller_identity()["Account"]
    # A second call is for what a first one left.
    is_now = settled(cloudformation, stage.stack)
    found = resources(cloudformation, stage.stack) if is_now else {}
    own = {name for kind, name in found.values() if kind in DATABASES}
    left = list(replaced(aws.rds, stage.stack, own))
    if is_now and left and given.data == "keep":
        raise Fault(
            f"a restore left {', '.join(name for _, name in left)} in the network of {stage.stack}, which cannot go"
            " before: delete it, with a snapshot if you want its data, or say DATA=delete"
        )

    def tell(what: str, name: str) -> None:
        if given.data == "delete":
            delete(aws, what, name)
        print("deleted" if given.data == "delete" else "kept", what, name)

    for each in left:
        tell(*each)
    if is_now and is_now != "DELETE_IN_PROGRESS":
        cloudformation.update_termination_protection(StackName=stage.stack, EnableTerminationProtection=False)
        unprotect(aws.rds, found)
        role = {"RoleARN": given.role_arn} if given.role_arn else {}
        cloudformation.delete_stack(StackName=stage.stack, **role)
    if is_now:
        wait_until_gone(cloudformation, stage.stack)
    bucket = f"{stage.stack}-feed-{account}-{session.region_name}"
    databases = {stage.stack, *own, *(name for _, name in left)}
    for each in list(kept(aws, bucket, databases, stage.stack)):
        tell(*each)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Fault as fault:
        sys.exit(str(fault))
