-- GET /v1/sync-messages/ID, for a person.
-- 4,495 bytes as it is sent.

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
-- The row, where it is there and the caller sees it. What they see is computed first, whatever is asked.
found AS (
  SELECT row.id,
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
    row.all_problems AS problems,
    row.counts,
    workspace_connector.id AS workspace_connector_id,
    workspace.id AS workspace_id,
    sync_run.id AS sync_run_id
  FROM wellspring.sync_messages_of_caller AS row
  LEFT JOIN core_api.workspace_connectors AS workspace_connector ON workspace_connector.pk = row.workspace_connector_pk
  LEFT JOIN core_api.workspaces AS workspace ON workspace.pk = row.workspace_pk
  LEFT JOIN wellspring.sync_runs AS sync_run ON sync_run.pk = row.sync_run_pk
  WHERE (SELECT count(*) FROM visible_groups) IS NOT NULL
    AND coalesce(0 = ANY((SELECT workspaces FROM few)::bigint[]), (
      SELECT way.pk
      FROM (
        SELECT membership.workspace_pk AS pk
        FROM core_api.workspace_memberships AS membership
        WHERE membership.people_pk = (SELECT pk FROM caller)
          AND membership.status = 'active'
          AND membership.deleted_at IS NULL
          AND membership.workspace_pk BETWEEN 0 AND 0
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
          AND enrolment.workspace_pk = 0
        OFFSET 0
      ) AS way
      WHERE (
        SELECT true
        FROM core_api.workspaces AS live
        WHERE live.pk = way.pk
          AND live.deleted_at IS NULL
      )
      LIMIT 1
    ) IS NOT NULL) IS NOT NULL
    AND row.id = :id_eq::UUID
    AND coalesce(row.workspace_pk = ANY((SELECT workspaces FROM few)::bigint[]), (
      SELECT way.pk
      FROM (
        SELECT membership.workspace_pk AS pk
        FROM core_api.workspace_memberships AS membership
        WHERE membership.people_pk = (SELECT pk FROM caller)
          AND membership.status = 'active'
          AND membership.deleted_at IS NULL
          AND membership.workspace_pk BETWEEN row.workspace_pk AND row.workspace_pk
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
          AND enrolment.workspace_pk = row.workspace_pk
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
)
-- What is answered, ids and times as text. WHERE is always true, and there for its side effect: leave_ids()
-- stores the ids of what the rows point to, for the statements of what is included, which come next.
SELECT id::text AS id,
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
FROM found
WHERE (
  SELECT wellspring.leave_ids('sync_message__workspace_connector', array_agg(workspace_connector_id))
    AND wellspring.leave_ids('sync_message__workspace', array_agg(workspace_id))
    AND wellspring.leave_ids('sync_message__sync_run', array_agg(sync_run_id))
  FROM found
)
