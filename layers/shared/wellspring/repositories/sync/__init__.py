"""The SQL of the sync queue's messages: one file for each thing that is done (docs/adr/0020)."""

# Asks for no caller: it works for the queue, which is a service; of one connector or workspace, and shows nothing.
