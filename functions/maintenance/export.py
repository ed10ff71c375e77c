"""By hand: write all that the ledger has of one workspace into the bucket, a part at a time."""

from wellspring.handlers.exporting import exporter

handler = exporter()
