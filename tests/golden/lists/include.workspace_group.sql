-- include: the rows of type workspace_group that rows before it in the flush point to, for a person.
-- 2,111 bytes as it is sent.

WITH visible_groups AS (
  SELECT tenant.pk AS pk
  FROM (
    SELECT membership.workspace_group_pk AS pk
    FROM core_api.workspace_group_memberships AS membership
    WHERE membership.people_pk = (
      SELECT caller.pk
      FROM core_api.peoples AS caller
      WHERE caller.id = :caller_id::UUID
        AND caller.deleted_at IS NULL
        AND caller.source IS NOT NULL
      LIMIT 1
    )
      AND membership.status = 'active'::VARCHAR
      AND membership.deleted_at IS NULL
  ) AS held_groups
  JOIN core_api.workspace_groups AS tenant ON tenant.pk = held_groups.pk
  WHERE tenant.deleted_at IS NULL
),
shown AS (
  SELECT row.id AS id,
    row.name AS name,
    row.created_at AS created_at,
    CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END AS updated_at,
    row.deleted_at AS deleted_at,
    created_by.id AS created_by_id,
    row.pk = any(array((SELECT visible_groups.pk FROM visible_groups))) AS is_retrievable,
    row.pk AS pk
  FROM core_api.workspace_groups AS row
  LEFT OUTER JOIN core_api.peoples AS created_by ON created_by.pk = row.created_by_pk
  WHERE row.id = any(array_cat(array((
          SELECT unnest(CAST(nullif(current_setting('wellspring.left_' || place.name, true), '') AS UUID[])) AS unnest_1
          FROM unnest(:places::TEXT[]) AS place(name)
        )), array((
          SELECT unnest(CAST(nullif(current_setting('wellspring.left_' || place.name || '__ended', true), '') AS UUID[])) AS unnest_2
          FROM unnest(:places::TEXT[]) AS place(name)
        ))))
    AND row.deleted_at IS NULL
    AND (row.id = any(array((
          SELECT unnest(CAST(nullif(current_setting('wellspring.left_' || place.name, true), '') AS UUID[])) AS unnest_3
          FROM unnest(:places::TEXT[]) AS place(name)
        )))
    OR row.pk = any(array((SELECT visible_groups.pk FROM visible_groups))))
)
SELECT CAST(shown.id AS TEXT) AS id,
  shown.name,
  CAST(shown.created_at AS TEXT) AS created_at,
  CAST(shown.updated_at AS TEXT) AS updated_at,
  CAST(shown.deleted_at AS TEXT) AS deleted_at,
  CAST(shown.created_by_id AS TEXT) AS created_by_id,
  shown.is_retrievable
FROM shown
WHERE (
  SELECT wellspring.leave_ids('workspace_group', array_agg(shown.id))
    AND wellspring.leave_ids('workspace_group__created_by', array_agg(shown.created_by_id)) AS anon_1
  FROM shown
)
ORDER BY shown.pk
