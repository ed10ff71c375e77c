"""What is written by a command and kept in git: events/*.json, and tables of the documents. Tests compare both."""
