"""The local stack: Wellspring on one machine, with no Docker, no AWS account and no network.

`python -m local` starts it; the Makefile wraps that as `make run`. docs/ says what it stands in for.
"""
