-- GET /v1/account-workspace-connectors, for a service.
-- 2,733 bytes as it is sent.

WITH page AS (
  SELECT row.pk AS pk,
    row.id AS id,
    row.direction AS direction,
    row.created_at AS created_at,
    CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END AS updated_at,
    row.deleted_at AS deleted_at,
    seen_account.id AS account_id,
    seen_workspace_connector.id AS workspace_connector_id,
    row.sync_message_pk AS sync_message_pk,
    row.ended_by_pk AS ended_by_pk
  FROM core_api.account_workspace_connectors AS row
  JOIN LATERAL (
    SELECT account.id AS id
    FROM core_api.accounts AS account
    WHERE account.pk = row.account_pk
      AND account.deleted_at IS NULL
      AND (EXISTS (
        SELECT *
        FROM core_api.workspaces AS workspaces_1
        WHERE workspaces_1.pk = account.workspace_pk
          AND workspaces_1.deleted_at IS NULL
      ))
    LIMIT ALL OFFSET 0
  ) AS seen_account ON true
  JOIN LATERAL (
    SELECT workspace_connector.id AS id
    FROM core_api.workspace_connectors AS workspace_connector
    WHERE workspace_connector.pk = row.workspace_connector_pk
      AND workspace_connector.deleted_at IS NULL
      AND (EXISTS (
        SELECT *
        FROM core_api.workspaces AS workspaces_2
        WHERE workspaces_2.pk = workspace_connector.workspace_pk
          AND workspaces_2.deleted_at IS NULL
      ))
    LIMIT ALL OFFSET 0
  ) AS seen_workspace_connector ON true
  WHERE row.deleted_at IS NULL
  ORDER BY row.created_at DESC, row.pk DESC
  LIMIT :rows::INTEGER
),
shown AS (
  SELECT page.pk AS pk,
    page.id AS id,
    page.direction AS direction,
    page.created_at AS created_at,
    page.updated_at AS updated_at,
    page.deleted_at AS deleted_at,
    page.account_id AS account_id,
    page.workspace_connector_id AS workspace_connector_id, (
    SELECT sync_message.id
    FROM wellspring.sync_messages AS sync_message
    WHERE sync_message.pk = page.sync_message_pk
  ) AS sync_message_id, (
    SELECT ended_by.id
    FROM wellspring.sync_messages AS ended_by
    WHERE ended_by.pk = page.ended_by_pk
  ) AS ended_by_id
  FROM page
)
SELECT CAST(shown.id AS TEXT) AS id,
  shown.direction,
  CAST(shown.created_at AS TEXT) AS created_at,
  CAST(shown.updated_at AS TEXT) AS updated_at,
  CAST(shown.deleted_at AS TEXT) AS deleted_at,
  CAST(shown.account_id AS TEXT) AS account_id,
  CAST(shown.workspace_connector_id AS TEXT) AS workspace_connector_id,
  CAST(shown.sync_message_id AS TEXT) AS sync_message_id,
  CAST(shown.ended_by_id AS TEXT) AS ended_by_id
FROM shown
WHERE (
  SELECT wellspring.leave_ids('account_workspace_connector__account', array_agg(shown.account_id))
    AND wellspring.leave_ids('account_workspace_connector__workspace_connector', array_agg(shown.workspace_connector_id))
    AND wellspring.leave_ids('account_workspace_connector__sync_message', array_agg(shown.sync_message_id))
    AND wellspring.leave_ids('account_workspace_connector__ended_by', array_agg(shown.ended_by_id)) AS anon_1
  FROM shown
)
ORDER BY shown.created_at DESC, shown.pk DESC
