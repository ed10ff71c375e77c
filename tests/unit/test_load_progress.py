"""The bar of `make load`: what it says of a file while it is loaded, and that it says nothing where nobody looks."""

import io
from contextlib import redirect_stderr
from pathlib import Path

import pytest

from local import load


class Terminal(io.StringIO):
    """Standard error that somebody looks at."""

    def isatty(self) -> bool:
        return True


def drawn(lines: int, total: int, seconds: float, counts: list[int], where: io.StringIO) -> str:
    """Return what is drawn of so many lines applied, waiting and rejected."""
    with redirect_stderr(where):
        load._show(lines, total, seconds, counts)
    return where.getvalue()


@pytest.mark.parametrize(
    ("lines", "total", "bar"),
    [
        (0, 2_000_000, "." * 30),
        (500_000, 2_000_000, "#" * 8 + "." * 22),
        (1_999_999, 2_000_000, "#" * 30),
        # A last line without an end is not counted before.
        (3, 2, "#" * 30),
        # How many lines a packed file has, nobody knows before its end.
        (500_000, 0, "." * 30),
    ],
)
def test_it_shows_how_far_it_is(lines: int, total: int, bar: str) -> None:
    line = drawn(lines, total, 2.0, [0, 0, 0], Terminal())
    assert line.startswith(f"\r[{bar}] {lines:,} lines ")
    assert "\n" not in line


def test_it_shows_lines_a_second_and_what_became_of_them() -> None:
    assert drawn(12_345, 100_000, 2.5, [12_000, 300, 45], Terminal()) == (
        "\r[####..........................] 12,345 lines  4,938/s  applied 12,000  pending 300  rejected 45 "
    )


def test_the_first_line_is_drawn_before_any_time_has_passed() -> None:
    assert " 0 lines  0/s " in drawn(0, 10, 0.0, [0, 0, 0], Terminal())


def test_nothing_is_drawn_where_nobody_looks() -> None:
    assert drawn(1, 2, 1.0, [1, 0, 0], io.StringIO()) == ""


@pytest.mark.parametrize(("content", "name", "lines"), [(b"a\nb\nc\n", "a.jsonl", 3), (b"a\nb\n", "a.jsonl.gz", 0)])
def test_the_lines_of_a_file_are_counted_before(tmp_path: Path, content: bytes, name: str, lines: int) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert load._lines(path) == lines
