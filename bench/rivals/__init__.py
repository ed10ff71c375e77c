"""Two JSON:API frameworks from PyPI on the same tables, to compare the API with.

They run in a virtual environment of their own (local/requirements/rivals.txt) and are written as their documentation
says. docs/performance/tables.md says what each of them does less.
"""
