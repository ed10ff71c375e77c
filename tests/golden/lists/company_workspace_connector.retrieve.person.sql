-- GET /v1/company-workspace-connectors/ID, for a person.
-- 4,823 bytes as it is sent.

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
    row.direction,
    row.created_at,
    CASE WHEN row.updated_at IS NULL THEN row.created_at ELSE row.updated_at END AS updated_at,
    row.deleted_at,
    company.id AS company_id,
    workspace_connector.id AS workspace_connector_id,
    sync_message.id AS sync_message_id,
    ended_by.id AS ended_by_id
  FROM core_api.company_workspace_connectors AS row
  JOIN core_api.companies AS company ON company.pk = row.company_pk
  JOIN core_api.workspace_connectors AS workspace_connector ON workspace_connector.pk = row.workspace_connector_pk
  LEFT JOIN wellspring.sync_messages AS sync_message ON sync_message.pk = row.sync_message_pk
  LEFT JOIN wellspring.sync_messages AS ended_by ON ended_by.pk = row.ended_by_pk
  WHERE row.deleted_at IS NULL
    AND (SELECT count(*) FROM visible_groups) IS NOT NULL
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
    AND company.deleted_at IS NULL
    AND workspace_connector.deleted_at IS NULL
    AND coalesce(company.workspace_pk = ANY((SELECT workspaces FROM few)::bigint[]), (
      SELECT way.pk
      FROM (
        SELECT membership.workspace_pk AS pk
        FROM core_api.workspace_memberships AS membership
        WHERE membership.people_pk = (SELECT pk FROM caller)
          AND membership.status = 'active'
          AND membership.deleted_at IS NULL
          AND membership.workspace_pk BETWEEN company.workspace_pk AND company.workspace_pk
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
          AND enrolment.workspace_pk = company.workspace_pk
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
    AND workspace_connector.workspace_pk + 0 = company.workspace_pk + 0
)
-- What is answered, ids and times as text. WHERE is always true, and there for its side effect: leave_ids()
-- stores the ids of what the rows point to, for the statements of what is included, which come next.
SELECT id::text AS id,
  direction,
  created_at::text AS created_at,
  updated_at::text AS updated_at,
  deleted_at::text AS deleted_at,
  company_id::text AS company_id,
  workspace_connector_id::text AS workspace_connector_id,
  sync_message_id::text AS sync_message_id,
  ended_by_id::text AS ended_by_id
FROM found
WHERE (
  SELECT wellspring.leave_ids('company_workspace_connector__company', array_agg(company_id))
    AND wellspring.leave_ids('company_workspace_connector__workspace_connector', array_agg(workspace_connector_id))
    AND wellspring.leave_ids('company_workspace_connector__sync_message', array_agg(sync_message_id))
    AND wellspring.leave_ids('company_workspace_connector__ended_by', array_agg(ended_by_id))
  FROM found
)
