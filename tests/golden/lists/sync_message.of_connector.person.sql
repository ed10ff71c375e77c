-- GET /v1/sync-messages?filter[workspace_connector]=00000000-0000-0000-0000-000000000001, for a person.
-- 12,723 bytes as it is sent.

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
opened AS (
  SELECT some_direct.pk AS pk
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
    ORDER BY pk
    LIMIT 17
  ) AS some_direct
  UNION ALL
  SELECT some_through_groups.pk AS pk
  FROM (
    SELECT of_group.pk AS pk
    FROM visible_groups
    JOIN LATERAL (
      SELECT core_api.workspace_group_workspaces.workspace_pk AS pk
      FROM core_api.workspace_group_workspaces
      WHERE core_api.workspace_group_workspaces.deleted_at IS NULL
        AND core_api.workspace_group_workspaces.workspace_group_pk = visible_groups.pk
      ORDER BY core_api.workspace_group_workspaces.workspace_pk
      LIMIT 17
    ) AS of_group ON true
    LIMIT 17
  ) AS some_through_groups
),
few AS (
  SELECT CASE WHEN ((SELECT count(*) AS count_1 FROM opened) <= 16::INTEGER) THEN array((
      SELECT opened.pk
      FROM opened
      WHERE (
        SELECT true AS anon_1
        FROM core_api.workspaces AS live
        WHERE live.pk = opened.pk
          AND live.deleted_at IS NULL
      )
    )) END AS workspaces
),
own_groups AS (
  SELECT array((SELECT visible_groups.pk FROM visible_groups)) AS pks
),
driver AS (
  SELECT workspace_connector.pk AS pk,
    workspace_connector.id AS id,
    workspace_connector.workspace_pk AS workspace_pk,
    workspace_connector.deleted_at IS NULL AS is_live,
    CAST(NULL AS BIGINT) AS within_pk
  FROM core_api.workspace_connectors AS workspace_connector
  WHERE workspace_connector.id = any(:workspace_connector_in::UUID[])
    AND coalesce(workspace_connector.workspace_pk = any(CAST((SELECT few.workspaces FROM few) AS BIGINT[])), (
      SELECT opened_so.pk
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
          AND core_api.workspace_memberships.workspace_pk BETWEEN workspace_connector.workspace_pk AND workspace_connector.workspace_pk
        LIMIT ALL OFFSET 0
      ) AS opened_so
      WHERE (
        SELECT true AS anon_1
        FROM core_api.workspaces AS live
        WHERE live.pk = opened_so.pk
          AND live.deleted_at IS NULL
      )
      LIMIT 1
    ) IS NOT NULL OR (
      SELECT opened_so.pk
      FROM (
        SELECT core_api.workspace_group_workspaces.workspace_pk AS pk
        FROM own_groups
        JOIN core_api.workspace_group_workspaces ON core_api.workspace_group_workspaces.workspace_group_pk = any(own_groups.pks)
        WHERE core_api.workspace_group_workspaces.deleted_at IS NULL
          AND core_api.workspace_group_workspaces.workspace_pk = workspace_connector.workspace_pk
        LIMIT ALL OFFSET 0
      ) AS opened_so
      WHERE (
        SELECT true AS anon_1
        FROM core_api.workspaces AS live
        WHERE live.pk = opened_so.pk
          AND live.deleted_at IS NULL
      )
      LIMIT 1
    ) IS NOT NULL)
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
    SELECT walked.pk AS pk, walked.received_at AS received_at
    FROM (
      SELECT walk_0.pk AS pk, walk_0.received_at AS received_at
      FROM (
        SELECT row.pk AS pk, row.received_at AS received_at
        FROM wellspring.sync_messages_of_caller AS row
        WHERE row.workspace_connector_pk = driver.pk
          AND row.outcome = 'applied'
        ORDER BY row.received_at DESC, row.pk DESC
        LIMIT 1
      ) AS walk_0
      UNION ALL
      SELECT walk_1.pk AS pk, walk_1.received_at AS received_at
      FROM (
        SELECT row.pk AS pk, row.received_at AS received_at
        FROM wellspring.sync_messages_of_caller AS row
        WHERE row.workspace_connector_pk = driver.pk
          AND row.outcome = 'in_progress'
        ORDER BY row.received_at DESC, row.pk DESC
        LIMIT 1
      ) AS walk_1
      UNION ALL
      SELECT walk_2.pk AS pk, walk_2.received_at AS received_at
      FROM (
        SELECT row.pk AS pk, row.received_at AS received_at
        FROM wellspring.sync_messages_of_caller AS row
        WHERE row.workspace_connector_pk = driver.pk
          AND row.outcome = 'parked'
        ORDER BY row.received_at DESC, row.pk DESC
        LIMIT 1
      ) AS walk_2
      UNION ALL
      SELECT walk_3.pk AS pk, walk_3.received_at AS received_at
      FROM (
        SELECT row.pk AS pk, row.received_at AS received_at
        FROM wellspring.sync_messages_of_caller AS row
        WHERE row.workspace_connector_pk = driver.pk
          AND row.outcome = 'dismissed'
        ORDER BY row.received_at DESC, row.pk DESC
        LIMIT 1
      ) AS walk_3
    ) AS walked
    ORDER BY walked.received_at DESC, walked.pk DESC
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
    found.workspace_id AS workspace_id,
    head.id AS workspace_connector_id
  FROM head
  JOIN LATERAL (
    SELECT walked.pk AS pk,
      walked.id AS id,
      walked.message_id AS message_id,
      walked.message_type AS message_type,
      walked.direction AS direction,
      walked.mode AS mode,
      walked.run AS run,
      walked.occurred_at AS occurred_at,
      walked.received_at AS received_at,
      walked.processed_at AS processed_at,
      walked.outcome AS outcome,
      walked.reason AS reason,
      walked.problems AS problems,
      walked.counts AS counts,
      walked.workspace_id AS workspace_id
    FROM (
      SELECT walk_0.pk AS pk,
        walk_0.id AS id,
        walk_0.message_id AS message_id,
        walk_0.message_type AS message_type,
        walk_0.direction AS direction,
        walk_0.mode AS mode,
        walk_0.run AS run,
        walk_0.occurred_at AS occurred_at,
        walk_0.received_at AS received_at,
        walk_0.processed_at AS processed_at,
        walk_0.outcome AS outcome,
        walk_0.reason AS reason,
        walk_0.problems AS problems,
        walk_0.counts AS counts,
        walk_0.workspace_id AS workspace_id
      FROM (
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
          seen_workspace.id AS workspace_id
        FROM wellspring.sync_messages_of_caller AS row
        LEFT OUTER JOIN LATERAL (
          SELECT workspace.id AS id
          FROM core_api.workspaces AS workspace
          WHERE workspace.pk = row.workspace_pk
          LIMIT ALL OFFSET 0
        ) AS seen_workspace ON true
        WHERE row.workspace_connector_pk = head.pk
          AND row.outcome = 'applied'
        ORDER BY row.received_at DESC, row.pk DESC
        LIMIT(:rows::INTEGER - head.place) + 1::INTEGER
      ) AS walk_0
      UNION ALL
      SELECT walk_1.pk AS pk,
        walk_1.id AS id,
        walk_1.message_id AS message_id,
        walk_1.message_type AS message_type,
        walk_1.direction AS direction,
        walk_1.mode AS mode,
        walk_1.run AS run,
        walk_1.occurred_at AS occurred_at,
        walk_1.received_at AS received_at,
        walk_1.processed_at AS processed_at,
        walk_1.outcome AS outcome,
        walk_1.reason AS reason,
        walk_1.problems AS problems,
        walk_1.counts AS counts,
        walk_1.workspace_id AS workspace_id
      FROM (
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
          seen_workspace.id AS workspace_id
        FROM wellspring.sync_messages_of_caller AS row
        LEFT OUTER JOIN LATERAL (
          SELECT workspace.id AS id
          FROM core_api.workspaces AS workspace
          WHERE workspace.pk = row.workspace_pk
          LIMIT ALL OFFSET 0
        ) AS seen_workspace ON true
        WHERE row.workspace_connector_pk = head.pk
          AND row.outcome = 'in_progress'
        ORDER BY row.received_at DESC, row.pk DESC
        LIMIT(:rows::INTEGER - head.place) + 1::INTEGER
      ) AS walk_1
      UNION ALL
      SELECT walk_2.pk AS pk,
        walk_2.id AS id,
        walk_2.message_id AS message_id,
        walk_2.message_type AS message_type,
        walk_2.direction AS direction,
        walk_2.mode AS mode,
        walk_2.run AS run,
        walk_2.occurred_at AS occurred_at,
        walk_2.received_at AS received_at,
        walk_2.processed_at AS processed_at,
        walk_2.outcome AS outcome,
        walk_2.reason AS reason,
        walk_2.problems AS problems,
        walk_2.counts AS counts,
        walk_2.workspace_id AS workspace_id
      FROM (
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
          seen_workspace.id AS workspace_id
        FROM wellspring.sync_messages_of_caller AS row
        LEFT OUTER JOIN LATERAL (
          SELECT workspace.id AS id
          FROM core_api.workspaces AS workspace
          WHERE workspace.pk = row.workspace_pk
          LIMIT ALL OFFSET 0
        ) AS seen_workspace ON true
        WHERE row.workspace_connector_pk = head.pk
          AND row.outcome = 'parked'
        ORDER BY row.received_at DESC, row.pk DESC
        LIMIT(:rows::INTEGER - head.place) + 1::INTEGER
      ) AS walk_2
      UNION ALL
      SELECT walk_3.pk AS pk,
        walk_3.id AS id,
        walk_3.message_id AS message_id,
        walk_3.message_type AS message_type,
        walk_3.direction AS direction,
        walk_3.mode AS mode,
        walk_3.run AS run,
        walk_3.occurred_at AS occurred_at,
        walk_3.received_at AS received_at,
        walk_3.processed_at AS processed_at,
        walk_3.outcome AS outcome,
        walk_3.reason AS reason,
        walk_3.problems AS problems,
        walk_3.counts AS counts,
        walk_3.workspace_id AS workspace_id
      FROM (
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
          seen_workspace.id AS workspace_id
        FROM wellspring.sync_messages_of_caller AS row
        LEFT OUTER JOIN LATERAL (
          SELECT workspace.id AS id
          FROM core_api.workspaces AS workspace
          WHERE workspace.pk = row.workspace_pk
          LIMIT ALL OFFSET 0
        ) AS seen_workspace ON true
        WHERE row.workspace_connector_pk = head.pk
          AND row.outcome = 'dismissed'
        ORDER BY row.received_at DESC, row.pk DESC
        LIMIT(:rows::INTEGER - head.place) + 1::INTEGER
      ) AS walk_3
    ) AS walked
    ORDER BY walked.received_at DESC, walked.pk DESC
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
    page.workspace_id AS workspace_id,
    page.workspace_connector_id AS workspace_connector_id
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
  CAST(shown.workspace_id AS TEXT) AS workspace_id,
  CAST(shown.workspace_connector_id AS TEXT) AS workspace_connector_id
FROM shown
WHERE (
  SELECT wellspring.leave_ids('sync_message__workspace_connector', array_agg(shown.workspace_connector_id))
    AND wellspring.leave_ids('sync_message__workspace', array_agg(shown.workspace_id)) AS anon_2
  FROM shown
)
ORDER BY shown.received_at DESC, shown.pk DESC
