"""Generated files that are kept in git: events/*.json, and tables of the documents. Tests compare both."""
