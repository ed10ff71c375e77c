-- include: the rows of type workspace_group that rows before it in the flush point to, for a person.
-- 1,795 bytes as it is sent.

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
-- The rows, and what is shown with them.
shown AS (
  SELECT row.id,
    row.name,
    row.created_at,
    CASE WHEN row.updated_at IS NULL THEN row.created_at ELSE row.updated_at END AS updated_at,
    row.deleted_at,
    created_by.id AS created_by_id,
    row.pk = ANY(ARRAY(SELECT pk FROM visible_groups)) AS is_retrievable,
    row.pk
  FROM core_api.workspace_groups AS row
  LEFT JOIN core_api.peoples AS created_by ON created_by.pk = row.created_by_pk
  WHERE row.id = ANY(array_cat(ARRAY(
        SELECT unnest(nullif(current_setting('wellspring.left_' || place.name, true), '')::uuid[])
        FROM unnest(:places::TEXT[]) AS place(name)
      ), ARRAY(
        SELECT unnest(nullif(current_setting('wellspring.left_' || place.name || '__ended', true), '')::uuid[])
        FROM unnest(:places::TEXT[]) AS place(name)
      )))
    AND row.deleted_at IS NULL
    AND (row.id = ANY(ARRAY(
        SELECT unnest(nullif(current_setting('wellspring.left_' || place.name, true), '')::uuid[])
        FROM unnest(:places::TEXT[]) AS place(name)
      ))
    OR row.pk = ANY(ARRAY(SELECT pk FROM visible_groups)))
)
-- What is answered, ids and times as text. In the order of the times themselves, not of the texts. WHERE is
-- always true, and there for its side effect: leave_ids() stores the ids of what the rows point to, for the
-- statements of what is included, which come next.
SELECT id::text AS id,
  name,
  created_at::text AS created_at,
  updated_at::text AS updated_at,
  deleted_at::text AS deleted_at,
  created_by_id::text AS created_by_id,
  is_retrievable
FROM shown
WHERE (
  SELECT wellspring.leave_ids('workspace_group', array_agg(id))
    AND wellspring.leave_ids('workspace_group__created_by', array_agg(created_by_id))
  FROM shown
)
ORDER BY shown.pk
