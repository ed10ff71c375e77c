"""Freeze imports (`gc.freeze`): what a function has imported is not looked at again by the garbage collector."""

import gc
from functools import cache


@cache
def keep_imports() -> None:
    """Tell the collector, once for each process, that whatever is there now stays.

    Imports make 69,000 objects that live as long as the process. A full collection looked at all of them, for 0.1 s in
    the midst of a request. Whoever makes a handler calls this: that is the last thing that a function's init does. The
    garbage that imports leave is five objects: to collect it first would only make a cold start longer.
    """
    gc.freeze()
