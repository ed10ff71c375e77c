"""The API over HTTP: how much load it bears, beside other JSON:API servers on the same tables."""

# Worker processes of each server. The local stack has as many environments for functions that share theirs.
WORKERS = 4
