"""The end of a stack: `make tear-down STAGE=rehearsal`, with `DATA=delete` also of what CloudFormation keeps.

It keeps what holds data: the bucket of files, the database's final snapshot, and its automated backups. As long as the
bucket is there, a stack of the same name cannot be made.
"""

import argparse
import json
import sys
from collections.abc import Collection, Iterator
from typing import Any

from local.errors import Fault
from local.stages import Stage

ANYTHING = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "Update:*", "Resource": "*"}]}
# CloudFormation waits for the network interfaces of Lambda, which go when they like (operations.md, "Tear down").
MINUTES = 90
DATABASES = ("AWS::RDS::DBInstance", "AWS::RDS::DBCluster")
# What RDS keeps: the operation that lists it, where the list is, whose it is, and its name.
KEPT = {
    "snapshot": ("describe_db_snapshots", "DBSnapshots", "DBInstanceIdentifier", "DBSnapshotIdentifier"),
    "cluster snapshot": (
        *("describe_db_cluster_snapshots", "DBClusterSnapshots", "DBClusterIdentifier", "DBClusterSnapshotIdentifier"),
    ),
    "automated backup": (
        *("describe_db_instance_automated_backups", "DBInstanceAutomatedBackups"),
        *("DBInstanceIdentifier", "DbiResourceId"),
    ),
}


def resources(cloudformation: Any, stack: str) -> dict[str, tuple[str, str]]:
    """Return the type and the name of each resource by its logical id."""
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    return {
        each["LogicalResourceId"]: (each["ResourceType"], each.get("PhysicalResourceId", ""))
        for page in pages
        for each in page["StackResourceSummaries"]
    }


def unprotect(rds: Any, found: dict[str, tuple[str, str]]) -> None:
    """Let the database be deleted: the cluster, or the instance that is none of a cluster's."""
    clusters = [name for kind, name in found.values() if kind == "AWS::RDS::DBCluster"]
    for name in clusters:
        rds.modify_db_cluster(DBClusterIdentifier=name, DeletionProtection=False, ApplyImmediately=True)
    for kind, name in found.values() if not clusters else ():
        if kind == "AWS::RDS::DBInstance":
            rds.modify_db_instance(DBInstanceIdentifier=name, DeletionProtection=False, ApplyImmediately=True)


def kept(s3: Any, rds: Any, bucket: str, databases: Collection[str]) -> Iterator[tuple[str, str]]:
    """Give what a deleted stack leaves: what it is, and its name.

    Args:
        s3: boto3's client.
        rds: boto3's client.
        bucket: the name of its bucket of files.
        databases: the names that its database had. Names, and no prefix: `wellspring` is one of `wellspring-staging`.
    """
    if bucket in {each["Name"] for each in s3.list_buckets()["Buckets"]}:
        yield "bucket", bucket
    for what, (operation, key, of, name) in KEPT.items():
        for page in rds.get_paginator(operation).paginate():
            for each in page[key]:
                # Of a database that runs, the backups are its own.
                if each[of] in databases and each.get("Status") != "active":
                    yield what, each[name]


def delete(s3: Any, rds: Any, what: str, name: str) -> None:
    """Delete one thing that was kept; of a bucket all versions of all files first."""
    if what == "bucket":
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
            objects = [
                {"Key": each["Key"], "VersionId": each["VersionId"]}
                for each in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
            ]
            if objects:
                s3.delete_objects(Bucket=name, Delete={"Objects": objects, "Quiet": True})
        s3.delete_bucket(Bucket=name)
    elif what == "snapshot":
        rds.delete_db_snapshot(DBSnapshotIdentifier=name)
    elif what == "cluster snapshot":
        rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=name)
    else:
        rds.delete_db_instance_automated_backup(DbiResourceId=name)


def main(arguments: list[str]) -> int:
    """Delete a stage's stack, and say what is left of it or delete that too."""
    parser = argparse.ArgumentParser(prog="python -m local.tear_down")
    parser.add_argument("stage")
    parser.add_argument("--role-arn", help="the role that CloudFormation works with")
    parser.add_argument("--data", choices=["keep", "delete"], default="keep")
    given = parser.parse_args(arguments)
    stage = Stage.read(given.stage)
    session = stage.session()
    cloudformation, s3, rds = (session.client(name) for name in ("cloudformation", "s3", "rds"))
    account = session.client("sts").get_caller_identity()["Account"]
    try:
        found = resources(cloudformation, stage.stack)
    except cloudformation.exceptions.ClientError:
        # A second call, for what a first one left.
        found = {}
    if found:
        cloudformation.set_stack_policy(StackName=stage.stack, StackPolicyBody=json.dumps(ANYTHING))
        unprotect(rds, found)
        role = {"RoleARN": given.role_arn} if given.role_arn else {}
        cloudformation.delete_stack(StackName=stage.stack, **role)
        waiter = cloudformation.get_waiter("stack_delete_complete")
        waiter.wait(StackName=stage.stack, WaiterConfig={"Delay": 30, "MaxAttempts": MINUTES * 2})
    bucket = f"{stage.stack}-feed-{account}-{session.region_name}"
    databases = {stage.stack, *(name for kind, name in found.values() if kind in DATABASES)}
    for what, name in kept(s3, rds, bucket, databases):
        if given.data == "delete":
            delete(s3, rds, what, name)
        print("deleted" if given.data == "delete" else "kept", what, name)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Fault as fault:
        sys.exit(str(fault))
