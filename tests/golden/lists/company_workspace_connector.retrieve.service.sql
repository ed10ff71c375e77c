-- GET /v1/company-workspace-connectors/ID, for a service.
-- 1,976 bytes as it is sent.

WITH found AS (
  SELECT row.id AS id,
    row.direction AS direction,
    row.created_at AS created_at,
    CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END AS updated_at,
    row.deleted_at AS deleted_at,
    company.id AS company_id,
    workspace_connector.id AS workspace_connector_id,
    sync_message.id AS sync_message_id,
    ended_by.id AS ended_by_id
  FROM core_api.company_workspace_connectors AS row
  JOIN core_api.companies AS company ON company.pk = row.company_pk
  JOIN core_api.workspace_connectors AS workspace_connector ON workspace_connector.pk = row.workspace_connector_pk
  LEFT OUTER JOIN wellspring.sync_messages AS sync_message ON sync_message.pk = row.sync_message_pk
  LEFT OUTER JOIN wellspring.sync_messages AS ended_by ON ended_by.pk = row.ended_by_pk
  WHERE row.deleted_at IS NULL
    AND company.deleted_at IS NULL
    AND workspace_connector.deleted_at IS NULL
    AND (EXISTS (
      SELECT *
      FROM core_api.workspaces AS workspaces_1
      WHERE workspaces_1.pk = company.workspace_pk
        AND workspaces_1.deleted_at IS NULL
    ))
    AND workspace_connector.workspace_pk = company.workspace_pk
    AND row.id = :id_eq::UUID
)
SELECT CAST(found.id AS TEXT) AS id,
  found.direction,
  CAST(found.created_at AS TEXT) AS created_at,
  CAST(found.updated_at AS TEXT) AS updated_at,
  CAST(found.deleted_at AS TEXT) AS deleted_at,
  CAST(found.company_id AS TEXT) AS company_id,
  CAST(found.workspace_connector_id AS TEXT) AS workspace_connector_id,
  CAST(found.sync_message_id AS TEXT) AS sync_message_id,
  CAST(found.ended_by_id AS TEXT) AS ended_by_id
FROM found
WHERE (
  SELECT wellspring.leave_ids('company_workspace_connector__company', array_agg(found.company_id))
    AND wellspring.leave_ids('company_workspace_connector__workspace_connector', array_agg(found.workspace_connector_id))
    AND wellspring.leave_ids('company_workspace_connector__sync_message', array_agg(found.sync_message_id))
    AND wellspring.leave_ids('company_workspace_connector__ended_by', array_agg(found.ended_by_id)) AS anon_1
  FROM found
)
