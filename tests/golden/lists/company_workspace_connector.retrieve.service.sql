-- GET /v1/company-workspace-connectors/ID, for a service.
-- 1,737 bytes as it is sent.

-- The row, where it is there and the caller sees it. What they see is computed first, whatever is asked.
WITH found AS (
  SELECT row.id,
    row.direction,
    row.created_at,
    CASE WHEN row.updated_at IS NULL THEN row.created_at ELSE row.updated_at END AS updated_at,
    row.deleted_at,
    company.id AS company_id,
    workspace_connector.id AS workspace_connector_id,
    sync_message.id AS sync_message_id,
    ended_by.id AS ended_by_id
  FROM core_api.company_workspace_connectors AS row
  JOIN core_api.companies AS company ON company.pk = row.company_pk
  JOIN core_api.workspace_connectors AS workspace_connector ON workspace_connector.pk = row.workspace_connector_pk
  LEFT JOIN wellspring.sync_messages AS sync_message ON sync_message.pk = row.sync_message_pk
  LEFT JOIN wellspring.sync_messages AS ended_by ON ended_by.pk = row.ended_by_pk
  WHERE row.deleted_at IS NULL
    AND row.id = :id_eq::UUID
    AND company.deleted_at IS NULL
    AND workspace_connector.deleted_at IS NULL
    AND EXISTS (
      SELECT
      FROM core_api.workspaces AS there
      WHERE there.pk = company.workspace_pk
        AND there.deleted_at IS NULL
    )
    AND workspace_connector.workspace_pk + 0 = company.workspace_pk + 0
)
-- What is answered, ids and times as text. WHERE is always true, and there for its side effect: leave_ids()
-- stores the ids of what the rows point to, for the statements of what is included, which come next.
SELECT id::text AS id,
  direction,
  created_at::text AS created_at,
  updated_at::text AS updated_at,
  deleted_at::text AS deleted_at,
  company_id::text AS company_id,
  workspace_connector_id::text AS workspace_connector_id,
  sync_message_id::text AS sync_message_id,
  ended_by_id::text AS ended_by_id
FROM found
WHERE (
  SELECT wellspring.leave_ids('company_workspace_connector__company', array_agg(company_id))
    AND wellspring.leave_ids('company_workspace_connector__workspace_connector', array_agg(workspace_connector_id))
    AND wellspring.leave_ids('company_workspace_connector__sync_message', array_agg(sync_message_id))
    AND wellspring.leave_ids('company_workspace_connector__ended_by', array_agg(ended_by_id))
  FROM found
)
