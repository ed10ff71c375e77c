-- GET /v1/workspace-connectors?filter[workspace]=00000000-0000-0000-0000-000000000001&sort=-last_synced_at, for a service.
-- 1,625 bytes as it is sent.

-- The page, to which no drivers lead: rows are read along an index of all of them until there are enough,
-- those passed whose parents are gone, or that nobody sees; of what nobody sees many of, all are read and
-- sorted. OFFSET 0 keeps the planner from joining the parents, which would read and sort all.
WITH page AS (
  SELECT row.pk,
    row.id,
    row.status,
    row.consent_expires_at,
    row.created_at,
    CASE WHEN row.updated_at IS NULL THEN row.created_at ELSE row.updated_at END AS updated_at,
    row.deleted_at,
    row.last_synced_at,
    workspace.id AS workspace_id,
    connector.id AS connector_id
  FROM (
    SELECT listed.*,
      CASE WHEN state.last_synced_at IS NULL THEN '0001-01-02 00:00:00+00'::timestamptz ELSE state.last_synced_at END AS last_synced_at
    FROM wellspring.workspace_connectors_of_caller AS listed
    LEFT JOIN wellspring.connector_state AS state ON state.workspace_connector_pk = listed.pk
  ) AS row
  JOIN core_api.workspaces AS workspace ON workspace.pk = row.workspace_pk
  JOIN core_api.connectors AS connector ON connector.pk = row.connector_pk
  WHERE row.deleted_at IS NULL
    AND workspace.id = ANY(:workspace_in::UUID[])
    AND workspace.deleted_at IS NULL
    AND EXISTS (
      SELECT
      FROM core_api.workspaces AS there
      WHERE there.pk = workspace.pk
        AND there.deleted_at IS NULL
    )
  ORDER BY row.last_synced_at DESC, row.pk DESC
  LIMIT :rows
),
-- The rows, and what is shown with them.
shown AS (
  SELECT *
  FROM page
)
-- What is answered, ids and times as text. In the order of the times themselves, not of the texts. WHERE is
-- always true, and there for its side effect: leave_ids() stores the ids of what the rows point to, for the
-- statements of what is included, which come next.
SELECT pk,
  id::text AS id,
  status,
  consent_expires_at::text AS consent_expires_at,
  created_at::text AS created_at,
  updated_at::text AS updated_at,
  deleted_at::text AS deleted_at,
  last_synced_at::text AS last_synced_at,
  workspace_id::text AS workspace_id,
  connector_id::text AS connector_id
FROM shown
WHERE (
  SELECT wellspring.leave_ids('workspace_connector', array_agg(id))
    AND wellspring.leave_ids('workspace_connector__workspace', array_agg(workspace_id))
    AND wellspring.leave_ids('workspace_connector__connector', array_agg(connector_id))
  FROM shown
)
ORDER BY shown.last_synced_at DESC, pk DESC
