"""Rollback of code: `make rollback STAGE=staging` points each alias at the version of the release before.

It takes seconds and needs no build. Functions that the release did not touch stay as they are. `make releases` lists
the releases, and `TO=2026-05-10T08-14-22Z` names one.
"""

import argparse
import sys
from collections.abc import Mapping
from typing import Any

from local.errors import Fault
from local.releases import Release, Releases, find_bucket, live_versions, point, what_runs
from local.stages import Stage, status


def choose(releases: list[Release], live: Mapping[str, str], to: str | None) -> Release:
    """Return the release to go back to: what is named, or what ran before. Raises Fault where there is none."""
    # Of functions that are there: a stack of this name that was torn down had others.
    by_name = {release.at: release for release in releases if release.versions.keys() & live.keys()}
    wanted = to
    if wanted is None:
        running = what_runs(list(by_name.values()), live)
        if running is None:
            raise Fault("what runs now is no release that was written down: name one with TO=…")
        wanted = running.before
    if wanted not in by_name:
        raise Fault(f"there is no release {to}" if to else "there is no release before this one")
    return by_name[wanted]


def roll_back(functions: Any, live: dict[str, str], target: Release) -> dict[str, str]:
    """Point the aliases at the target's versions; return those that moved.

    A function that the target did not have stays: no older route calls it. Said again after a failure, it goes on.
    """
    moved = {name: version for name, version in target.versions.items() if live.get(name, version) != version}
    point(functions, moved)
    return moved


def main(arguments: list[str]) -> int:
    """Roll back, or list the releases."""
    parser = argparse.ArgumentParser(prog="python -m local.rollback")
    parser.add_argument("stage")
    parser.add_argument("--to")
    parser.add_argument("--list", action="store_true")
    given = parser.parse_args(arguments)
    stage = Stage.read(given.stage)
    session = stage.session()
    cloudformation, functions = session.client("cloudformation"), session.client("lambda")
    releases = list(Releases(session.client("s3"), find_bucket(cloudformation, stage.bucket, stage.stack), stage.stack))
    live = live_versions(cloudformation, functions, stage.stack)
    if given.list:
        running = what_runs(releases, live)
        for release in releases:
            print(release.at, "  runs now" if running and release.versions == running.versions else "")
        return 0
    is_now = status(cloudformation, stage.stack)
    # Of an update that is cancelled "the stack proceeds to the UPDATE_ROLLBACK_IN_PROGRESS state" (CloudFormation user
    # guide, "Cancel a stack update"), in which CloudFormation moves the aliases again.
    if is_now in {"UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS"}:
        raise Fault(
            f"{stage.stack} is {is_now}: CloudFormation moves its aliases just now, and would go on after you."
            f" `aws cloudformation cancel-update-stack --stack-name {stage.stack}` takes a deployment back:"
            " roll back when that has ended"
        )
    target = choose(releases, live, given.to or None)
    moved = roll_back(functions, live, target)
    print(f"{stage.stack} runs the release of {target.at}: {len(moved)} of {len(live)} functions moved")
    print("Deploy that code or a mended one next: until then the stack and the aliases disagree.")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Fault as fault:
        sys.exit(str(fault))
