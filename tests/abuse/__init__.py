"""The sync queue while everything breaks: consumers killed, Postgres restarted, deliveries late, doubled and lost."""
