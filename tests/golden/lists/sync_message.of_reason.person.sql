-- GET /v1/sync-messages?filter[workspace]=00000000-0000-0000-0000-000000000001&filter[reason]=unknown_record, for a person.
-- 7,162 bytes as it is sent.

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
-- The parents that lead to rows, mostly connectors: those that the filters name and the caller sees. Who sees
-- what is asked in this query alone; ANY (ARRAY(...)) computes it once. leave_workspaces() is there for its
-- side effect: the row-level security policies get the caller's workspaces as a list (true: those of
-- memberships alone), so that they need not look up each row's.
driver AS (
  SELECT parent.pk, parent.id, parent.pk AS workspace_pk
  FROM (
    SELECT wanted.id, coalesce(row.pk, 0) AS pk, row.deleted_at
    FROM unnest(:workspace_in::UUID[]) AS wanted(id)
    LEFT JOIN core_api.workspaces AS row ON row.id = wanted.id
    OFFSET 0
  ) AS parent
  WHERE parent.deleted_at IS NULL
    AND coalesce(parent.pk = ANY((SELECT workspaces FROM few)::bigint[]), (
      SELECT way.pk
      FROM (
        SELECT membership.workspace_pk AS pk
        FROM core_api.workspace_memberships AS membership
        WHERE membership.people_pk = (SELECT pk FROM caller)
          AND membership.status = 'active'
          AND membership.deleted_at IS NULL
          AND membership.workspace_pk BETWEEN parent.pk AND parent.pk
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
          AND enrolment.workspace_pk = parent.pk
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
),
-- The drivers with the first rows, and the place of each among them: the first row of each is one look-up in
-- an index on (parent, time, pk). A page of n rows holds rows of the first n at most: each of the others has
-- n rows before its own first.
head AS (
  SELECT driver.*, row_number() OVER (ORDER BY head.head_at DESC, head.head_pk DESC) AS place
  FROM driver
  CROSS JOIN LATERAL (
    SELECT *
    FROM ((
        SELECT row.received_at AS head_at, row.pk AS head_pk
        FROM wellspring.sync_messages_of_caller AS row
        WHERE row.workspace_pk = driver.pk
          AND row.outcome = 'parked'
          AND row.kept_reason = nullif(:reason_eq::VARCHAR, 'tenant_mismatch')
        ORDER BY row.received_at DESC, row.pk DESC
        LIMIT 1
      ) UNION ALL (
        SELECT row.received_at AS head_at, row.pk AS head_pk
        FROM wellspring.sync_messages_of_caller AS row
        WHERE row.workspace_pk = driver.pk
          AND row.outcome = 'parked'
          AND row.kept_reason = CASE WHEN :reason_eq::VARCHAR = 'unknown_record' THEN 'tenant_mismatch' END
        ORDER BY row.received_at DESC, row.pk DESC
        LIMIT 1
      ) UNION ALL (
        SELECT row.received_at AS head_at, row.pk AS head_pk
        FROM wellspring.sync_messages_of_caller AS row
        WHERE row.workspace_pk = driver.pk
          AND row.outcome = 'dismissed'
          AND row.kept_reason = nullif(:reason_eq::VARCHAR, 'tenant_mismatch')
        ORDER BY row.received_at DESC, row.pk DESC
        LIMIT 1
      ) UNION ALL (
        SELECT row.received_at AS head_at, row.pk AS head_pk
        FROM wellspring.sync_messages_of_caller AS row
        WHERE row.workspace_pk = driver.pk
          AND row.outcome = 'dismissed'
          AND row.kept_reason = CASE WHEN :reason_eq::VARCHAR = 'unknown_record' THEN 'tenant_mismatch' END
        ORDER BY row.received_at DESC, row.pk DESC
        LIMIT 1
      )) AS merged
    ORDER BY head_at DESC, head_pk DESC
    LIMIT 1
  ) AS head
  ORDER BY head.head_at DESC, head.head_pk DESC
  LIMIT :rows
),
-- The page: each driver is read along the same index, and their rows are merged. Of the k-th driver n - k + 1
-- rows at most: k - 1 first rows stand before its own. A row's other parent is looked up for each row that is
-- read, and must be of the driver's workspace; OFFSET 0 keeps the planner from joining them, which would read
-- and sort all, and `+ 0` from looking through a workspace. `updated_at` is as the indexes have it: a CASE,
-- since coalesce() is no index condition under row-level security (docs/adr/0029). :rows is the page's size
-- and one more, by which it is known that there are more; with a cursor two more, its row is read, too.
page AS (
  SELECT found.*, driver.id AS workspace_id
  FROM head AS driver
  CROSS JOIN LATERAL (
    SELECT *
    FROM ((
        SELECT row.pk,
          row.id,
          row.message_id,
          row.message_type,
          row.direction,
          row.mode,
          row.run,
          row.occurred_at,
          row.received_at,
          row.processed_at,
          row.outcome,
          row.reason,
          row.problems,
          row.counts,
          row.workspace_connector_pk,
          row.sync_run_pk
        FROM wellspring.sync_messages_of_caller AS row
        WHERE row.workspace_pk = driver.pk
          AND row.outcome = 'parked'
          AND row.kept_reason = nullif(:reason_eq::VARCHAR, 'tenant_mismatch')
        ORDER BY row.received_at DESC, row.pk DESC
        LIMIT :rows - driver.place + 1
      ) UNION ALL (
        SELECT row.pk,
          row.id,
          row.message_id,
          row.message_type,
          row.direction,
          row.mode,
          row.run,
          row.occurred_at,
          row.received_at,
          row.processed_at,
          row.outcome,
          row.reason,
          row.problems,
          row.counts,
          row.workspace_connector_pk,
          row.sync_run_pk
        FROM wellspring.sync_messages_of_caller AS row
        WHERE row.workspace_pk = driver.pk
          AND row.outcome = 'parked'
          AND row.kept_reason = CASE WHEN :reason_eq::VARCHAR = 'unknown_record' THEN 'tenant_mismatch' END
        ORDER BY row.received_at DESC, row.pk DESC
        LIMIT :rows - driver.place + 1
      ) UNION ALL (
        SELECT row.pk,
          row.id,
          row.message_id,
          row.message_type,
          row.direction,
          row.mode,
          row.run,
          row.occurred_at,
          row.received_at,
          row.processed_at,
          row.outcome,
          row.reason,
          row.problems,
          row.counts,
          row.workspace_connector_pk,
          row.sync_run_pk
        FROM wellspring.sync_messages_of_caller AS row
        WHERE row.workspace_pk = driver.pk
          AND row.outcome = 'dismissed'
          AND row.kept_reason = nullif(:reason_eq::VARCHAR, 'tenant_mismatch')
        ORDER BY row.received_at DESC, row.pk DESC
        LIMIT :rows - driver.place + 1
      ) UNION ALL (
        SELECT row.pk,
          row.id,
          row.message_id,
          row.message_type,
          row.direction,
          row.mode,
          row.run,
          row.occurred_at,
          row.received_at,
          row.processed_at,
          row.outcome,
          row.reason,
          row.problems,
          row.counts,
          row.workspace_connector_pk,
          row.sync_run_pk
        FROM wellspring.sync_messages_of_caller AS row
        WHERE row.workspace_pk = driver.pk
          AND row.outcome = 'dismissed'
          AND row.kept_reason = CASE WHEN :reason_eq::VARCHAR = 'unknown_record' THEN 'tenant_mismatch' END
        ORDER BY row.received_at DESC, row.pk DESC
        LIMIT :rows - driver.place + 1
      )) AS merged
    ORDER BY received_at DESC, pk DESC
    LIMIT :rows - driver.place + 1
  ) AS found
  ORDER BY found.received_at DESC, found.pk DESC
  LIMIT :rows
),
-- The rows, and what is shown with them.
shown AS (
  SELECT *, (
    SELECT id
    FROM core_api.workspace_connectors
    WHERE pk = page.workspace_connector_pk
  ) AS workspace_connector_id, (
    SELECT id
    FROM wellspring.sync_runs
    WHERE pk = page.sync_run_pk
  ) AS sync_run_id
  FROM page
)
-- What is answered, ids and times as text. In the order of the times themselves, not of the texts. WHERE is
-- always true, and there for its side effect: leave_ids() stores the ids of what the rows point to, for the
-- statements of what is included, which come next.
SELECT pk,
  id::text AS id,
  message_id::text AS message_id,
  message_type,
  direction,
  mode,
  run,
  occurred_at::text AS occurred_at,
  received_at::text AS received_at,
  processed_at::text AS processed_at,
  outcome,
  reason,
  problems,
  counts,
  workspace_connector_id::text AS workspace_connector_id,
  workspace_id::text AS workspace_id,
  sync_run_id::text AS sync_run_id
FROM shown
WHERE (
  SELECT wellspring.leave_ids('sync_message__workspace_connector', array_agg(workspace_connector_id))
    AND wellspring.leave_ids('sync_message__workspace', array_agg(workspace_id))
    AND wellspring.leave_ids('sync_message__sync_run', array_agg(sync_run_id))
  FROM shown
)
ORDER BY shown.received_at DESC, pk DESC
