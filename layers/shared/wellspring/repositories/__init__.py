"""All SQL. A repository takes the transaction and values, and returns rows; it decides nothing about HTTP."""
