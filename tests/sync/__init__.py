"""The write path: from an SQS event to rows, on real Postgres."""
