"""The workflows that deploy: who may deploy what, with which role, and what is tried afterwards."""

import re
from pathlib import Path

import pytest

from local.settings import ROOT

WORKFLOWS = ROOT / ".github" / "workflows"
DEPLOY, REHEARSE, SECOND = (WORKFLOWS / f"{name}.yml" for name in ("deploy", "rehearse", "rehearse-second-deployment"))


def test_production_is_deployed_from_the_default_branch_and_tags_only() -> None:
    (condition,) = re.findall(r"  deploy:\n.*?    if: >-\n(.*?)    runs-on", DEPLOY.read_text(), re.DOTALL)
    alternatives = " ".join(condition.split())
    assert alternatives.endswith(
        "(inputs.stage != 'production' || github.ref_type == 'tag' ||"
        " github.ref_name == github.event.repository.default_branch)"
    )


@pytest.mark.parametrize("path", [DEPLOY, REHEARSE, SECOND], ids=lambda path: path.stem)
def test_credentials_last_as_long_as_the_job_and_cloudformation_works_with_its_own_role(path: Path) -> None:
    """A session lasts an hour unless asked, and is not renewed (configure-aws-credentials#354, and its README)."""
    text = path.read_text()
    (minutes,), (seconds,) = re.findall(r"timeout-minutes: (\d+)", text), re.findall(r"duration-seconds: (\d+)", text)
    assert int(seconds) >= int(minutes) * 60
    by_command = 'PARAMETERS=parameters.yaml ROLE="$SERVICE_ROLE"' in text
    by_environment = "ROLE: ${{ vars.CLOUDFORMATION_ROLE_ARN }}\n      PARAMETERS: parameters.yaml" in text
    assert by_command or by_environment
    # The role's sessions last at most as long as .github/bootstrap.yaml says.
    (most,) = re.findall(r"MaxSessionDuration: (\d+)", (ROOT / ".github" / "bootstrap.yaml").read_text())
    assert int(seconds) <= int(most)
    assert re.search(r"^      id-token: write", text, re.MULTILINE)


def test_a_deployment_is_tried_from_outside_and_a_rehearsal_is_torn_down() -> None:
    for path in (DEPLOY, REHEARSE):
        text = path.read_text()
        assert text.index("make deploy") < text.index("-m local.smoke")
    assert text.index("-m local.smoke") < text.index("make tear-down")
    assert re.search(r"Tear it down\n        if: always\(\)", text)
    # The bucket that CloudFormation keeps has the name that the next one wants.
    assert "make tear-down STAGE=rehearsal DATA=delete" in text


def test_the_second_deployment_is_rehearsed_step_by_step_as_its_page_says_and_twice() -> None:
    text, page = SECOND.read_text(), (ROOT / "docs" / "rehearsal.md").read_text()
    steps = [name for name in re.findall(r"^      - name: (.+)$", text, re.MULTILINE) if name != "Write the parameters"]
    assert steps == re.findall(r"^\| (\w.+?) \|", page, re.MULTILINE)[1:]
    assert len(steps) == 9
    assert "max-parallel: 1\n      matrix:\n        round: [first, second]" in text
    assert re.search(r"A tear-down\n        if: always\(\)", text)
    # Each ends with the stack answering from outside, but for the proxy's own and the end.
    for step in re.split(r"^      - name: ", text, flags=re.MULTILINE)[2:-1]:
        assert "-m local.smoke" in step, step.partition("\n")[0]
