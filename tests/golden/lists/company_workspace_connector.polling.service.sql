-- GET /v1/company-workspace-connectors?sort=updated_at&filter[updated_at][gte]=2026-05-10T00:00:00Z&filter[deleted]=include&page[size]=500, for a service.
-- 2,862 bytes as it is sent.

-- The table with the order of the list as a column; planned where it is read.
WITH listed AS NOT MATERIALIZED(
  SELECT *, CASE WHEN updated_at IS NULL THEN created_at ELSE updated_at END AS at
  FROM core_api.company_workspace_connectors
),
-- The page, to which no drivers lead: rows are read along an index of all of them until there are enough,
-- those passed whose parents are gone, or that nobody sees; of what nobody sees many of, all are read and
-- sorted. OFFSET 0 keeps the planner from joining the parents, which would read and sort all.
page AS (
  SELECT *
  FROM ((
      SELECT row.pk,
        row.id,
        row.direction,
        row.created_at,
        row.at AS updated_at,
        row.deleted_at,
        company.id AS company_id,
        workspace_connector.id AS workspace_connector_id,
        row.sync_message_pk,
        row.ended_by_pk
      FROM listed AS row
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
        AND row.at >= :updated_at_gte
      ORDER BY row.at ASC, row.pk ASC
      LIMIT :rows
    ) UNION ALL (
      SELECT row.pk,
        row.id,
        row.direction,
        row.created_at,
        row.at AS updated_at,
        row.deleted_at,
        company.id AS company_id,
        workspace_connector.id AS workspace_connector_id,
        row.sync_message_pk,
        row.ended_by_pk
      FROM listed AS row
      CROSS JOIN LATERAL (
        SELECT p.id
        FROM core_api.companies AS p
        WHERE p.pk = row.company_pk
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
          AND EXISTS (
            SELECT
            FROM core_api.workspaces AS there
            WHERE there.pk = p.workspace_pk
              AND there.deleted_at IS NULL
          )
        OFFSET 0
      ) AS workspace_connector
      WHERE row.deleted_at IS NOT NULL
        AND row.at >= :updated_at_gte
      ORDER BY row.at ASC, row.pk ASC
      LIMIT :rows
    )) AS merged
  ORDER BY updated_at ASC, pk ASC
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
ORDER BY shown.updated_at ASC, pk ASC
