"""The SQL of the sync queue's messages: one file for each thing that is done (docs/adr/0020)."""
