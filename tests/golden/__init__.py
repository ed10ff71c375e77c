"""The SQL of lists as files: the diff of one is the review of a change (CONTRIBUTING.md, "Golden SQL")."""
