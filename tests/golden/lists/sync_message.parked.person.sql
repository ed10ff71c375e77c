-- GET /v1/sync-messages?filter[outcome]=parked, for a person.
-- 5,265 bytes as it is sent.

WITH visible_groups AS (
  SELECT core_api.workspace_groups.pk AS pk
  FROM (
    SELECT core_api.workspace_group_memberships.workspace_group_pk AS pk
    FROM core_api.workspace_group_memberships
    WHERE core_api.workspace_group_memberships.people_pk = (
      SELECT core_api.peoples.pk
      FROM core_api.peoples
      WHERE core_api.peoples.id = :caller_id::UUID
        AND core_api.peoples.deleted_at IS NULL
      LIMIT 1
    )
      AND core_api.workspace_group_memberships.status = 'active'::VARCHAR
      AND core_api.workspace_group_memberships.deleted_at IS NULL
  ) AS held_groups
  JOIN core_api.workspace_groups ON core_api.workspace_groups.pk = held_groups.pk
  WHERE core_api.workspace_groups.deleted_at IS NULL
),
visible AS (
  SELECT core_api.workspaces.pk AS pk
  FROM (
    SELECT core_api.workspace_memberships.workspace_pk AS pk
    FROM core_api.workspace_memberships
    WHERE core_api.workspace_memberships.people_pk = (
      SELECT core_api.peoples.pk
      FROM core_api.peoples
      WHERE core_api.peoples.id = :caller_id::UUID
        AND core_api.peoples.deleted_at IS NULL
      LIMIT 1
    )
      AND core_api.workspace_memberships.status = 'active'::VARCHAR
      AND core_api.workspace_memberships.deleted_at IS NULL
  ) AS anon_1
  JOIN core_api.workspaces ON core_api.workspaces.pk = anon_1.pk
  WHERE core_api.workspaces.deleted_at IS NULL
  UNION
  SELECT core_api.workspaces.pk AS pk
  FROM (
    SELECT core_api.workspace_group_workspaces.workspace_pk AS pk
    FROM visible_groups, core_api.workspace_group_workspaces
    WHERE core_api.workspace_group_workspaces.deleted_at IS NULL
      AND core_api.workspace_group_workspaces.workspace_group_pk = visible_groups.pk
  ) AS anon_2
  JOIN core_api.workspaces ON core_api.workspaces.pk = anon_2.pk
  WHERE core_api.workspaces.deleted_at IS NULL
),
driver AS (
  SELECT workspace.pk AS pk,
    workspace.id AS id,
    workspace.pk AS workspace_pk,
    workspace.deleted_at IS NULL AS is_live,
    CAST(NULL AS BIGINT) AS within_pk
  FROM core_api.workspaces AS workspace
  WHERE workspace.deleted_at IS NULL
    AND (
    SELECT wellspring.leave_workspaces(false) AS leave_workspaces_1
  )
    AND workspace.pk = any(array((SELECT visible.pk FROM visible)))
),
head AS (
  SELECT driver.pk AS pk,
    driver.id AS id,
    driver.workspace_pk AS workspace_pk,
    driver.is_live AS is_live,
    driver.within_pk AS within_pk,
    CAST(row_number() OVER (ORDER BY found.received_at DESC, found.pk DESC) AS INTEGER) AS place
  FROM driver
  JOIN LATERAL (
    SELECT row.pk AS pk, row.received_at AS received_at
    FROM wellspring.sync_messages_of_caller AS row
    WHERE row.workspace_pk = driver.pk
      AND row.outcome = :outcome_eq::VARCHAR
    ORDER BY row.received_at DESC, row.pk DESC
    LIMIT 1
  ) AS found ON true
  ORDER BY found.received_at DESC, found.pk DESC
  LIMIT :rows::INTEGER
),
page AS (
  SELECT found.pk AS pk,
    found.id AS id,
    found.message_id AS message_id,
    found.message_type AS message_type,
    found.direction AS direction,
    found.mode AS mode,
    found.run AS run,
    found.occurred_at AS occurred_at,
    found.received_at AS received_at,
    found.processed_at AS processed_at,
    found.outcome AS outcome,
    found.reason AS reason,
    found.problems AS problems,
    found.counts AS counts,
    found.workspace_connector_id AS workspace_connector_id,
    head.id AS workspace_id
  FROM head
  JOIN LATERAL (
    SELECT row.pk AS pk,
      row.id AS id,
      row.message_id AS message_id,
      row.message_type AS message_type,
      row.direction AS direction,
      row.mode AS mode,
      row.run AS run,
      row.occurred_at AS occurred_at,
      row.received_at AS received_at,
      row.processed_at AS processed_at,
      row.outcome AS outcome,
      row.reason AS reason,
      row.problems AS problems,
      row.counts AS counts,
      seen_workspace_connector.id AS workspace_connector_id
    FROM wellspring.sync_messages_of_caller AS row
    LEFT OUTER JOIN LATERAL (
      SELECT workspace_connector.id AS id
      FROM core_api.workspace_connectors AS workspace_connector
      WHERE workspace_connector.pk = row.workspace_connector_pk
      LIMIT ALL OFFSET 0
    ) AS seen_workspace_connector ON true
    WHERE row.workspace_pk = head.pk
      AND row.outcome = :outcome_eq::VARCHAR
    ORDER BY row.received_at DESC, row.pk DESC
    LIMIT(:rows::INTEGER - head.place) + 1::INTEGER
  ) AS found ON true
  ORDER BY found.received_at DESC, found.pk DESC
  LIMIT :rows::INTEGER
),
shown AS (
  SELECT page.pk AS pk,
    page.id AS id,
    page.message_id AS message_id,
    page.message_type AS message_type,
    page.direction AS direction,
    page.mode AS mode,
    page.run AS run,
    page.occurred_at AS occurred_at,
    page.received_at AS received_at,
    page.processed_at AS processed_at,
    page.outcome AS outcome,
    page.reason AS reason,
    page.problems AS problems,
    page.counts AS counts,
    page.workspace_connector_id AS workspace_connector_id,
    page.workspace_id AS workspace_id
  FROM page
)
SELECT CAST(shown.id AS TEXT) AS id,
  CAST(shown.message_id AS TEXT) AS message_id,
  shown.message_type,
  shown.direction,
  shown.mode,
  shown.run,
  CAST(shown.occurred_at AS TEXT) AS occurred_at,
  CAST(shown.received_at AS TEXT) AS received_at,
  CAST(shown.processed_at AS TEXT) AS processed_at,
  shown.outcome,
  shown.reason,
  shown.problems,
  shown.counts,
  CAST(shown.workspace_connector_id AS TEXT) AS workspace_connector_id,
  CAST(shown.workspace_id AS TEXT) AS workspace_id
FROM shown
WHERE (
  SELECT wellspring.leave_ids('sync_message__workspace_connector', array_agg(shown.workspace_connector_id))
    AND wellspring.leave_ids('sync_message__workspace', array_agg(shown.workspace_id)) AS anon_3
  FROM shown
)
ORDER BY shown.received_at DESC, shown.pk DESC
