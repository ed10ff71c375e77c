-- GET /v1/company-workspace-connectors, for a service.
-- 1,923 bytes as it is sent.

-- The page, to which no drivers lead: rows are read along an index of all of them until there are enough,
-- those passed whose parents are gone, or that nobody sees; of what nobody sees many of, all are read and
-- sorted. OFFSET 0 keeps the planner from joining the parents, which would read and sort all.
WITH page AS (
  SELECT row.pk,
    row.id,
    row.direction,
    row.created_at,
    CASE WHEN row.updated_at IS NULL THEN row.created_at ELSE row.updated_at END AS updated_at,
    row.deleted_at,
    company.id AS company_id,
    workspace_connector.id AS workspace_connector_id,
    row.sync_message_pk,
    row.ended_by_pk
  FROM core_api.company_workspace_connectors AS row
  CROSS JOIN LATERAL (
    SELECT p.id
    FROM core_api.companies AS p
    WHERE p.pk = row.company_pk
      AND p.deleted_at IS NULL
      AND EXISTS (
        SELECT
        FROM core_api.workspaces AS there
        WHERE there.pk = p.workspace_pk
          AND there.deleted_at IS NULL
      )
    OFFSET 0
  ) AS company
  CROSS JOIN LATERAL (
    SELECT p.id
    FROM core_api.workspace_connectors AS p
    WHERE p.pk = row.workspace_connector_pk
      AND p.deleted_at IS NULL
      AND EXISTS (
        SELECT
        FROM core_api.workspaces AS there
        WHERE there.pk = p.workspace_pk
          AND there.deleted_at IS NULL
      )
    OFFSET 0
  ) AS workspace_connector
  WHERE row.deleted_at IS NULL
  ORDER BY row.created_at DESC, row.pk DESC
  LIMIT :rows
),
-- The rows, and what is shown with them.
shown AS (
  SELECT *, (
    SELECT id
    FROM wellspring.sync_messages
    WHERE pk = page.sync_message_pk
  ) AS sync_message_id, (
    SELECT id
    FROM wellspring.sync_messages
    WHERE pk = page.ended_by_pk
  ) AS ended_by_id
  FROM page
)
-- What is answered, ids and times as text. In the order of the times themselves, not of the texts. WHERE is
-- always true, and there for its side effect: leave_ids() stores the ids of what the rows point to, for the
-- statements of what is included, which come next.
SELECT pk,
  id::text AS id,
  direction,
  created_at::text AS created_at,
  updated_at::text AS updated_at,
  deleted_at::text AS deleted_at,
  company_id::text AS company_id,
  workspace_connector_id::text AS workspace_connector_id,
  sync_message_id::text AS sync_message_id,
  ended_by_id::text AS ended_by_id
FROM shown
WHERE (
  SELECT wellspring.leave_ids('company_workspace_connector__company', array_agg(company_id))
    AND wellspring.leave_ids('company_workspace_connector__workspace_connector', array_agg(workspace_connector_id))
    AND wellspring.leave_ids('company_workspace_connector__sync_message', array_agg(sync_message_id))
    AND wellspring.leave_ids('company_workspace_connector__ended_by', array_agg(ended_by_id))
  FROM shown
)
ORDER BY shown.created_at DESC, pk DESC
