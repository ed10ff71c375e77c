"""Values as the texts of Postgres arrays: for thousands of ids 1.4 times as fast as lists."""

from collections.abc import Iterable


def array(values: Iterable[object]) -> str:
    """Return the text of an array of `values`, none of which needs quotes; None is NULL."""
    return f"{{{','.join('NULL' if value is None else str(value) for value in values)}}}"


def array_of_arrays(values: Iterable[str]) -> str:
    """Return the text of a text[] whose elements are texts of arrays: their lengths may differ."""
    return f"{{{','.join(f'"{value}"' for value in values)}}}"
