-- GET /v1/companies?include=sources: where the companies of a page came from, for a person.
-- 5,037 bytes as it is sent.

-- Who is calling, while they are there. Without a source they are a contact that a sync made, and nobody.
WITH caller AS (
  SELECT caller.pk
  FROM core_api.peoples AS caller
  WHERE caller.id = :caller_id::UUID
    AND caller.deleted_at IS NULL
    AND caller.source IS NOT NULL
),
-- The live groups of which the caller is an active member.
visible_groups AS (
  SELECT team.pk
  FROM core_api.workspace_group_memberships AS membership
  JOIN core_api.workspace_groups AS team ON team.pk = membership.workspace_group_pk
  WHERE membership.people_pk = (SELECT pk FROM caller)
    AND membership.status = 'active'
    AND membership.deleted_at IS NULL
    AND team.deleted_at IS NULL
),
-- The same, as an array.
own_groups AS (
  SELECT ARRAY(SELECT pk FROM visible_groups) AS pks
),
-- Some of the workspaces that are opened to the caller, live or not: enough to know whether they are few.
opened AS ((
    SELECT membership.workspace_pk AS pk
    FROM core_api.workspace_memberships AS membership
    WHERE membership.people_pk = (SELECT pk FROM caller)
      AND membership.status = 'active'
      AND membership.deleted_at IS NULL
    ORDER BY pk
    LIMIT 17
  ) UNION ALL (
    SELECT of_group.pk
    FROM visible_groups
    CROSS JOIN LATERAL (
      SELECT enrolment.workspace_pk AS pk
      FROM core_api.workspace_group_workspaces AS enrolment
      WHERE enrolment.deleted_at IS NULL
        AND enrolment.workspace_group_pk = visible_groups.pk
      ORDER BY enrolment.workspace_pk
      LIMIT 17
    ) AS of_group
    LIMIT 17
  )),
-- They as an array; null where they are not few, and each row's workspace is looked up (docs/adr/0042).
few AS (
  SELECT CASE WHEN (SELECT count(*) FROM opened) <= 16 THEN ARRAY(
    SELECT opened.pk
    FROM opened
    WHERE (
      SELECT true
      FROM core_api.workspaces AS live
      WHERE live.pk = opened.pk
        AND live.deleted_at IS NULL
    )
  ) END AS workspaces
),
-- How many newest rows of each record are looked at, and how many of its sources are read: what is read of
-- all records together is bounded, and they share it evenly.
bounds AS (
  SELECT :most::INTEGER / shown.records AS most,
    least(10, greatest(500 / shown.records, 1)) + 1 AS sources
  FROM (
    SELECT greatest(least(cardinality(ARRAY(
            SELECT unnest(nullif(current_setting('wellspring.left_' || place.name, true), '')::uuid[])
            FROM unnest(:places::TEXT[]) AS place(name)
          )), :most_records::INTEGER), 1) AS records
  ) AS shown
),
-- The newest rows of each record.
newest_rows AS (
  SELECT record.id AS record_id, row.*
  FROM unnest(ARRAY(
      SELECT unnest(nullif(current_setting('wellspring.left_' || place.name, true), '')::uuid[])
      FROM unnest(:places::TEXT[]) AS place(name)
    )) AS record(id)
  CROSS JOIN bounds
  CROSS JOIN LATERAL wellspring.rows_of_record('company', 'companies', record.id, bounds.most + 1) AS row
),
-- The connectors of these rows that the caller sees, each looked up by its key.
connectors AS (
  SELECT found.*
  FROM (
    SELECT DISTINCT newest.workspace_connector_pk AS pk
    FROM newest_rows AS newest
  ) AS wanted
  CROSS JOIN LATERAL (
    SELECT connector.pk, connector.id, connector.deleted_at
    FROM core_api.workspace_connectors AS connector
    WHERE connector.pk = wanted.pk
      AND coalesce(connector.workspace_pk = ANY((SELECT workspaces FROM few)::bigint[]), (
        SELECT way.pk
        FROM (
          SELECT membership.workspace_pk AS pk
          FROM core_api.workspace_memberships AS membership
          WHERE membership.people_pk = (SELECT pk FROM caller)
            AND membership.status = 'active'
            AND membership.deleted_at IS NULL
            AND membership.workspace_pk BETWEEN connector.workspace_pk AND connector.workspace_pk
          OFFSET 0
        ) AS way
        WHERE (
          SELECT true
          FROM core_api.workspaces AS live
          WHERE live.pk = way.pk
            AND live.deleted_at IS NULL
        )
        LIMIT 1
      ) IS NOT NULL OR (
        SELECT way.pk
        FROM (
          SELECT enrolment.workspace_pk AS pk
          FROM own_groups
          JOIN core_api.workspace_group_workspaces AS enrolment ON enrolment.workspace_group_pk = ANY(own_groups.pks)
          WHERE enrolment.deleted_at IS NULL
            AND enrolment.workspace_pk = connector.workspace_pk
          OFFSET 0
        ) AS way
        WHERE (
          SELECT true
          FROM core_api.workspaces AS live
          WHERE live.pk = way.pk
            AND live.deleted_at IS NULL
        )
        LIMIT 1
      ) IS NOT NULL)
    OFFSET 0
  ) AS found
),
-- Of these rows a line for each record, connector, direction and message.
told AS (
  SELECT newest.record_id,
    connectors.pk,
    connectors.id,
    connectors.deleted_at,
    newest.direction,
    newest.sync_message_pk,
    min(newest.created_at) AS first_at,
    max(newest.created_at) AS last_at,
    count(*) AS rows,
    count(*) FILTER (WHERE newest.deleted_at IS NULL) AS live
  FROM newest_rows AS newest
  JOIN connectors ON connectors.pk = newest.workspace_connector_pk
  WHERE newest.number <= (SELECT most FROM bounds)
    AND (connectors.deleted_at IS NULL OR newest.deleted_at IS NOT NULL)
  GROUP BY newest.record_id, connectors.pk, connectors.id, connectors.deleted_at, newest.direction, newest.sync_message_pk
),
-- A line for each record, connector and direction: each record's sources.
source AS (
  SELECT told.record_id,
    told.pk,
    told.id AS workspace_connector_id,
    told.deleted_at,
    told.direction,
    min(told.first_at) AS first_at,
    max(told.last_at) AS last_at,
    max((
      SELECT message.occurred_at
      FROM wellspring.sync_messages AS message
      WHERE message.pk = told.sync_message_pk
    )) AS last_occurred_at,
    sum(told.rows)::integer AS rows,
    sum(told.live)::integer AS live,
    told.record_id = ANY(ARRAY(
      SELECT newest.record_id
      FROM newest_rows AS newest
      WHERE newest.number > (SELECT most FROM bounds)
    )) AS rows_is_capped
  FROM told
  GROUP BY told.record_id, told.pk, told.id, told.deleted_at, told.direction
),
-- They, with the place of each among those of its record, the last one first.
ranked AS (
  SELECT source.*,
    row_number() OVER (PARTITION BY source.record_id ORDER BY source.last_at DESC, source.pk DESC, source.direction::text DESC) AS number
  FROM source
),
-- Those that are shown of each record, and one more where there are more.
first AS (
  SELECT ranked.*
  FROM ranked
  WHERE ranked.number <= (SELECT sources FROM bounds)
)
-- What is answered, ids and times as text. WHERE is always true, and there for its side effect: leave_ids()
-- stores the ids of what the rows point to, for the statements of what is included, which come next.
SELECT record_id,
  pk,
  workspace_connector_id,
  deleted_at,
  direction,
  first_at,
  last_at,
  last_occurred_at,
  rows,
  live,
  rows_is_capped
FROM first
WHERE (
  SELECT wellspring.leave_ids('record_source__workspace_connector', array_agg(workspace_connector_id))
  FROM first
)
ORDER BY record_id, number
