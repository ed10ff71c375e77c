"""The migrated database against the contract, as Postgres's own catalogue tells it."""
