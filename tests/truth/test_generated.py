"""Generated files are in git as their command writes them."""

import pytest

from local.generate import docs, events
from local.settings import ROOT


@pytest.mark.parametrize("name", sorted({path.stem for path in events.FOLDER.glob("*.json")} | set(events.events())))
def test_an_event_is_what_make_events_writes(name: str) -> None:
    if name not in events.BY_HAND:
        assert (events.FOLDER / f"{name}.json").read_text() == events.written(events.events()[name])


@pytest.mark.parametrize("name", docs.DOCUMENTS)
def test_a_document_is_what_make_docs_writes(name: str) -> None:
    text = (ROOT / name).read_text()
    assert text == docs.document(name, text)


def test_a_document_without_its_marker_is_refused() -> None:
    with pytest.raises(ValueError, match="<!-- routes -->"):
        docs.document("README.md", "no marker")


@pytest.mark.parametrize("command", ["events", "docs"])
def test_the_makefile_runs_what_writes_them(command: str) -> None:
    assert f"-m local.generate.{command}" in (ROOT / "Makefile").read_text()


def test_the_page_of_the_architecture_fits_on_two_screens() -> None:
    assert len((ROOT / "docs/architecture.md").read_text().splitlines()) <= 100


@pytest.mark.parametrize("folder", ["layers/shared/wellspring", "functions", "migrations", "local", "bench"])
def test_every_file_begins_with_what_belongs_in_it(folder: str) -> None:
    files = [path for path in (ROOT / folder).rglob("*.py") if path.read_text().strip()]
    assert files
    assert [path for path in files if not path.read_text().startswith(('"""', "#!"))] == []
