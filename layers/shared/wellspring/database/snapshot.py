"""Hooks around the snapshot that SnapStart starts it from, which is restored any number of times, days later.

It must hold no connection, which two copies would share, nor credentials, which have expired: the first request opens
one, and signs its token. Chance needs nothing: it comes from the kernel, not from `random`. Source: AWS Lambda
Developer Guide, "Lambda SnapStart runtime hooks for Python" and "Handling uniqueness".
"""

from collections.abc import Mapping

from wellspring.database.engine import engine


def before() -> None:
    """Do what the first request would, and that may be copied."""
    # A copy's credentials come from an endpoint, not from its environment, and boto3 signs with them.
    import boto3  # noqa: F401, PLC0415  (0.2 s, which a function without a snapshot never spends)

    engine()


def after() -> None:
    """Forget whatever connection was there: it is not closed, because it is not this copy's alone."""
    engine().dispose(close=False)


def register(environment: Mapping[str, str]) -> None:
    """Have both called at their times, where `environment` is that of a function with SnapStart."""
    if environment.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
        # Of the runtime, and nowhere else.
        from snapshot_restore_py import register_after_restore, register_before_snapshot  # noqa: PLC0415  (see above)

        register_before_snapshot(before)
        register_after_restore(after)
