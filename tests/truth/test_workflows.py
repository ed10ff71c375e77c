"""The workflows that deploy: who may deploy what, with which role, and what is tried afterwards."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from local import tear_down
from local.settings import ROOT

WORKFLOWS = ROOT / ".github" / "workflows"
DEPLOY, REHEARSE, SECOND, ROUND, CHECK = (
    WORKFLOWS / f"{name}.yml"
    for name in ("deploy", "rehearse", "rehearse-second-deployment", "rehearsal-round", "check")
)


def parsed(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def test_production_is_deployed_from_the_default_branch_and_tags_only() -> None:
    (condition,) = re.findall(r"  deploy:\n.*?    if: >-\n(.*?)    runs-on", DEPLOY.read_text(), re.DOTALL)
    alternatives = " ".join(condition.split())
    assert alternatives.endswith(
        "(inputs.stage != 'production' || github.ref_type == 'tag' ||"
        " github.ref_name == github.event.repository.default_branch)"
    )


@pytest.mark.parametrize("path", [DEPLOY, REHEARSE, ROUND], ids=lambda path: path.stem)
def test_credentials_last_as_long_as_the_job_and_cloudformation_works_with_its_own_role(path: Path) -> None:
    """A session lasts an hour unless asked, and is not renewed (configure-aws-credentials#354, and its README)."""
    text = path.read_text()
    minutes, sessions = (
        [int(each) for each in re.findall(rf"{key}: (\d+)", text)] for key in ("timeout-minutes", "duration-seconds")
    )
    assert [seconds >= most * 60 for seconds, most in zip(sessions, minutes, strict=True)] == [True] * len(minutes)
    by_command = 'PARAMETERS=parameters.yaml ROLE="$SERVICE_ROLE"' in text
    by_environment = "ROLE: ${{ vars.CLOUDFORMATION_ROLE_ARN }}\n      PARAMETERS: parameters.yaml" in text
    assert by_command or by_environment
    # The role's sessions last at most as long as .github/bootstrap.yaml says.
    (most,) = re.findall(r"MaxSessionDuration: (\d+)", (ROOT / ".github" / "bootstrap.yaml").read_text())
    assert max(sessions) <= int(most)
    # Each job that has credentials shows AWS who it is, and tags what it makes as its environment says.
    assert len(re.findall(r"^      id-token: write", text, re.MULTILINE)) == len(sessions)
    assert "TAGS: ${{ vars.TAGS }}" in text


def test_a_deployment_is_tried_from_outside_and_a_rehearsal_is_torn_down() -> None:
    for path in (DEPLOY, REHEARSE):
        text = path.read_text()
        assert text.index("make deploy") < text.index("-m local.smoke")
    assert text.index("-m local.smoke") < text.index("make tear-down")
    # The bucket that CloudFormation keeps has the name that the next one wants.
    assert "make tear-down STAGE=rehearsal DATA=delete" in text


def test_the_second_deployment_is_rehearsed_step_by_step_as_its_page_says_and_twice() -> None:
    text, page = ROUND.read_text(), (ROOT / "docs" / "rehearsal.md").read_text()
    steps = [name for name in re.findall(r"^      - name: (.+)$", text, re.MULTILINE) if name != "Write the parameters"]
    assert steps == re.findall(r"^\| (\w.+?) \|", page, re.MULTILINE)[1:]
    assert len(steps) == 9
    first, second = parsed(SECOND)["jobs"].values()
    assert first["uses"] == second["uses"] == f"./.github/workflows/{ROUND.name}"
    assert second["needs"] == "first"
    # A pipeline of which a part fails, fails.
    assert parsed(ROUND)["defaults"]["run"]["shell"] == "bash"
    # Each ends with the stack answering from outside, but for the proxy's own and the end.
    for step in re.split(r"^      - name: ", text, flags=re.MULTILINE)[2:-1]:
        assert "-m local.smoke" in step, step.partition("\n")[0]


def test_what_failed_in_a_rehearsal_is_tried_again_with_the_same_parameters() -> None:
    """Other ones would publish other versions in any case."""
    (step,) = [each["run"] for each in parsed(ROUND)["jobs"]["rehearse"]["steps"] if "exit 1" in each.get("run", "")]
    failed, again = re.findall(r"(if )?(make deploy [^;\n]+)", step)
    assert (failed[0], again[0]) == ("if ", "")
    assert failed[1] == again[1]
    assert "AWS::Lambda::Version" in step[step.index(failed[1]) : step.rindex(again[1])]


# Answers of RDS to `describe-db-engine-versions`: 18's default version is 18.3, and 17.10 leads to newer ones alone.
RDS = """
import argparse, jmespath
asked = argparse.ArgumentParser()
asked.add_argument("--engine-version")
asked.add_argument("--query")
asked.add_argument("--default-only", action="store_true")
asked, _ = asked.parse_known_args()
targets = {"17.8": ["17.9", "17.10", "18.2", "18.3"], "17.9": ["17.10", "18.3", "18.4"], "17.10": ["18.4"]}
version = {"18": "18.3"}[asked.engine_version] if asked.default_only else asked.engine_version
ways = [{"EngineVersion": to, "IsMajorVersionUpgrade": to[:2] == "18"} for to in targets.get(version, ())]
found = jmespath.search(asked.query, {"DBEngineVersions": [{"EngineVersion": version, "ValidUpgradeTarget": ways}]})
print(*found if isinstance(found, list) else [found])
"""


@pytest.mark.parametrize(("is_at", "newer"), [("17.8", "17.9"), ("17.9", "None"), ("17.10", "None")])
def test_the_minor_version_that_is_rehearsed_can_go_on_to_the_major_one(is_at: str, newer: str) -> None:
    (step,) = [each for each in parsed(ROUND)["jobs"]["rehearse"]["steps"] if each.get("name") == "A minor upgrade"]
    chosen = step["run"][step["run"].index("next=") : step["run"].index("if [")]
    script = f'aws() {{ "$PYTHON" -c "$RDS" "$@"; }}\nversion() {{ echo {is_at}; }}\n{chosen}\necho "$newer"'
    told = {"PYTHON": sys.executable, "RDS": RDS}
    assert subprocess.check_output(["bash", "-eo", "pipefail", "-c", script], env=told, text=True) == f"{newer}\n"


@pytest.mark.parametrize("path", [REHEARSE, ROUND], ids=lambda path: path.stem)
def test_a_rehearsal_is_torn_down_by_a_job_of_its_own_however_it_ends(path: Path) -> None:
    """Of a job that was cancelled or outlasted its time, GitHub ends every step after five minutes."""
    rehearse, torn_down = parsed(path)["jobs"].values()
    assert not [each for each in rehearse["steps"] if "tear-down" in each.get("run", "")]
    assert torn_down["needs"] == "rehearse"
    assert torn_down["if"].startswith("always()")
    assert "make tear-down STAGE=rehearsal DATA=delete" in torn_down["steps"][-1]["run"]
    # An update that was cut off ends first, and then all of it is deleted.
    assert torn_down["timeout-minutes"] > tear_down.MINUTES + 45
    assert rehearse["timeout-minutes"] <= 360


def test_rehearsals_of_one_stack_wait_for_each_other_from_their_first_job_to_their_last() -> None:
    """A group of a job would let another rehearsal in before the tear-down, and one that waits push out another."""
    for path in (REHEARSE, SECOND):
        assert parsed(path)["concurrency"] == {"group": "rehearse", "cancel-in-progress": False, "queue": "max"}
    for path in (REHEARSE, SECOND, ROUND):
        assert not [name for name, job in parsed(path)["jobs"].items() if "concurrency" in job]
    # It would wait for the one that called it.
    assert "concurrency" not in parsed(ROUND)


def test_no_push_ends_the_check_that_a_deployment_waits_for() -> None:
    """A group holds one that runs and one that waits: the next one pushes that out, `cancel-in-progress` or not."""
    assert parsed(CHECK)["concurrency"]["group"] == (
        "check-${{ github.event_name == 'pull_request' && github.ref || github.run_id }}"
    )
