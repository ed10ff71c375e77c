-- include: the rows of type workspace_connector that rows before it in the flush point to, for a person.
-- 3,423 bytes as it is sent.

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
-- The rows, and what is shown with them.
shown AS (
  SELECT row.id,
    row.status,
    row.consent_expires_at,
    row.created_at,
    CASE WHEN row.updated_at IS NULL THEN row.created_at ELSE row.updated_at END AS updated_at,
    row.deleted_at,
    workspace.id AS workspace_id,
    connector.id AS connector_id,
    row.pk
  FROM core_api.workspace_connectors AS row
  LEFT JOIN core_api.workspaces AS workspace ON workspace.pk = row.workspace_pk
  LEFT JOIN core_api.connectors AS connector ON connector.pk = row.connector_pk
  WHERE row.id = ANY(ARRAY(
      SELECT unnest(nullif(current_setting('wellspring.left_' || place.name, true), '')::uuid[])
      FROM unnest(:places::TEXT[]) AS place(name)
    ))
    AND row.deleted_at IS NULL
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
-- What is answered, ids and times as text. In the order of the times themselves, not of the texts. WHERE is
-- always true, and there for its side effect: leave_ids() stores the ids of what the rows point to, for the
-- statements of what is included, which come next.
SELECT id::text AS id,
  status,
  consent_expires_at::text AS consent_expires_at,
  created_at::text AS created_at,
  updated_at::text AS updated_at,
  deleted_at::text AS deleted_at,
  workspace_id::text AS workspace_id,
  connector_id::text AS connector_id
FROM shown
WHERE (
  SELECT wellspring.leave_ids('workspace_connector', array_agg(id))
    AND wellspring.leave_ids('workspace_connector__workspace', array_agg(workspace_id))
    AND wellspring.leave_ids('workspace_connector__connector', array_agg(connector_id))
  FROM shown
)
ORDER BY shown.pk
