"""The SQL of lists is what the golden files say: `make golden` writes them anew, and their diff is reviewed."""

from tests.golden.rendering import FOLDER, files


def test_the_statements_are_those_of_the_files() -> None:
    written = {path.name: path.read_text() for path in FOLDER.iterdir()}
    wanted = files()
    differing = [name for name in sorted({*written, *wanted}) if written.get(name) != wanted.get(name)]
    assert differing == [], "`make golden` writes them; read what has changed"


def test_a_total_sorts_nothing_or_it_would_read_all_that_there_is() -> None:
    totals = [path for path in FOLDER.iterdir() if ".total." in path.name]
    assert totals
    assert not [path.name for path in totals if "ORDER BY" in path.read_text()]
