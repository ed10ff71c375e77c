"""cfn-lint and checkov on the documents that CloudFormation gets."""

import json
import os
import re
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from local.settings import ROOT
from tests.aws.conftest import CHOICES
from tests.aws.stack import translate
from tests.truth.test_ledger_events import targets

CFN_LINT = ROOT / ".local" / "sam-venv" / "bin" / "cfn-lint"
CHECKOV = ROOT / ".local" / "checkov-venv" / "bin" / "checkov"


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a document for each set of parameters; a parameter's default is what was chosen."""
    folder = tmp_path_factory.mktemp("translated")
    for number, choice in enumerate(CHOICES.values()):
        document = translate(choice)
        for name, value in choice.items():
            declared = document["Parameters"][name]
            declared["Default"] = int(value) if declared["Type"] == "Number" else value
        (folder / f"{number}.json").write_text(json.dumps(document))
    return folder


def run(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "AWS_DEFAULT_REGION": "eu-west-1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_cfn_lint_has_nothing_to_say(documents: Path) -> None:
    # SAM has put in the values of some parameters (W2001) and of a mapping (W7001). What else a parameter may be is
    # behind a condition (W1030).
    said = run(CFN_LINT, "--ignore-checks", "W1030,W2001,W7001", "--", *sorted(documents.glob("*.json")))
    assert (said.returncode, said.stdout) == (0, "")


def test_cfn_lint_has_nothing_to_say_of_the_targets_that_the_page_of_events_shows(tmp_path: Path) -> None:
    for number, template in enumerate(targets()):
        (tmp_path / f"{number}.json").write_text(json.dumps(template))
    said = run(CFN_LINT, "--", *sorted(tmp_path.glob("*.json")))
    assert (said.returncode, said.stdout) == (0, "")


def test_checkov_finds_nothing_that_is_not_reasoned(documents: Path) -> None:
    said = run(CHECKOV, "--directory", documents, "--output", "json")
    report = json.loads(said.stdout)
    found = [f"{each['check_id']} {each['resource']}" for each in report["results"]["failed_checks"]]
    assert found == []
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 500
    assert said.returncode == 0


def test_every_skip_of_checkov_has_a_reason() -> None:
    skips = re.findall(r"skip: \[\{id: (CKV\w+), comment: \"(.+)\"\}\]", (ROOT / "template.yaml").read_text())
    assert len(skips) == (ROOT / "template.yaml").read_text().count("checkov: {skip")
    assert all(len(reason) > 20 for _, reason in skips)
    lines = (ROOT / ".checkov.yaml").read_text().splitlines()
    for above, line in pairwise(lines):
        if line.startswith("  - CKV"):
            assert above.startswith("  # ")
