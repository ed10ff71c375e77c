-- GET /v1/sync-messages?page[total]=true: the total, for a service.
-- 294 bytes as it is sent.

SELECT count(*)
FROM (
  SELECT row.received_at AS head_at, row.pk AS head_pk
  FROM wellspring.sync_messages_of_caller AS row
  WHERE (row.workspace_pk IS NULL
    OR EXISTS (
      SELECT
      FROM core_api.workspaces AS there
      WHERE there.pk = row.workspace_pk
        AND there.deleted_at IS NULL
    ))
  LIMIT 10001
) AS counted
