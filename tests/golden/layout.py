"""Lines and indentation for a statement, by its parentheses and key words alone: Postgres would read both the same."""

import re
from collections.abc import Iterator, Sequence

# What is longer than this is broken: a list of columns or conditions; and a query within another.
WIDTH, SHORT = 110, 60
_TOKEN = re.compile(r"--[^\n]*|'(?:[^']|'')*'|\"[^\"]*\"|::|[A-Za-z_:$][\w.$]*\*?|\d+|[(),\[\]]|[^\s\w'\"(),\[\]]+")
# What begins a line of a query; a key word of several words goes on after its first.
_CLAUSES = frozenset({"SELECT", "FROM", "WHERE", "GROUP", "ORDER", "LIMIT", "OFFSET", "UNION", "FOR", "WITH"})
_JOINS = frozenset({"JOIN", "LEFT", "OUTER", "CROSS"})
# What stands close to what is before it, and to what is behind it.
_CLOSE_BEFORE, _CLOSE_BEHIND = frozenset({"::", ",", ")", "[", "]"}), frozenset({"::", "(", "["})
# After these a parenthesis opens no call.
_NO_CALLS = re.compile(
    "SELECT|FROM|WHERE|AND|OR|NOT|IN|AS|ON|JOIN|LATERAL|UNION|ALL|EXISTS|OVER|WHEN|THEN|ELSE|CASE|BY|FILTER"
)


def laid_out(statement: str) -> str:
    """Return a statement with a clause, a condition and a long list's column on each line."""
    return "\n".join(line.rstrip() for line in "".join(_pieces(_TOKEN.findall(statement))).split("\n")).strip() + "\n"


def _pieces(tokens: Sequence[str]) -> Iterator[str]:
    closing = _closing(tokens)
    # Of each open parenthesis: whether a query is in it, how far that is indented, and whether its lists are broken.
    around: list[tuple[bool, int, bool]] = [(True, 0, False)]
    is_between = False
    # How far the line is indented.
    line = 0
    for at, token in enumerate(tokens):
        before = tokens[at - 1] if at else ""
        is_query, depth, is_broken = around[-1]
        if token == "(":
            is_called = re.fullmatch(r"[\w.\"]+", before) is not None and _NO_CALLS.fullmatch(before) is None
            yield "(" if is_called or before in _CLOSE_BEHIND else " ("
            inner = tokens[at + 1 : closing[at]]
            if inner[:1] in (["SELECT"], ["WITH"]) and (
                before in {"AS", "MATERIALIZED"} or len(" ".join(inner)) > SHORT
            ):
                around.append((True, max(depth, line) + 1, False))
            else:
                around.append((False, depth + 1, len(" ".join(inner)) > WIDTH and not is_called))
        elif token == ")":
            around.pop()
            line = depth - 1 if is_query else line
            yield f"\n{'  ' * line})" if is_query else ")"
        elif is_query and _begins_line(tokens, at):
            # `is_broken` of a query: whether the list of the clause that begins here is.
            around[-1] = (True, depth, token == "SELECT" and _length(tokens, at, closing) > WIDTH)
            line = depth
            yield f"\n{'  ' * line}{token}"
        elif token in {"AND", "OR"} and (is_query or is_broken) and not is_between:
            line = depth + (1 if is_query else 0)
            yield f"\n{'  ' * line}{token}"
        elif before == "," and (
            is_broken or (is_query and at >= 2 and tokens[at - 2] == ")" and _names_cte(tokens, at))
        ):
            line = depth + (1 if is_broken else 0)
            yield f"\n{'  ' * line}{token}"
        else:
            yield token if token in _CLOSE_BEFORE or before in _CLOSE_BEHIND else f" {token}"
        is_between = token == "BETWEEN" or (is_between and token != "AND")


def _begins_line(tokens: Sequence[str], at: int) -> bool:
    token, before = tokens[at], tokens[at - 1] if at else ""
    if token in _CLAUSES:
        # `LIMIT ALL OFFSET 0` in one line.
        return not (token == "OFFSET" and before == "ALL")
    return token in _JOINS and before not in _JOINS


def _names_cte(tokens: Sequence[str], at: int) -> bool:
    return tokens[at + 1 : at + 2] == ["AS"]


def _length(tokens: Sequence[str], at: int, closing: dict[int, int]) -> int:
    """Return how long the clause is that begins at a place."""
    end = at + 1
    while end < len(tokens) and tokens[end] != ")" and not _begins_line(tokens, end):
        end = closing.get(end, end) + 1
    return len(" ".join(tokens[at:end]))


def _closing(tokens: Sequence[str]) -> dict[int, int]:
    """Return of each opening parenthesis where it closes."""
    opened: list[int] = []
    found: dict[int, int] = {}
    for at, token in enumerate(tokens):
        if token == "(":
            opened.append(at)
        elif token == ")":
            found[opened.pop()] = at
    return found
