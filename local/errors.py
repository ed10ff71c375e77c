"""The one error that a person is meant to read."""


class Fault(Exception):
    """Something outside the code is wrong. The message is one line, shown without a traceback."""
