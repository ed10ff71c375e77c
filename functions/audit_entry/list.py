"""`GET /v1/audit-entries`: a page of who did what in a workspace, for its owners and admins, and for services."""

from wellspring.handlers.answers import audit_entries

handler = audit_entries()
