-- GET /v1/company-workspace-connectors?sort=updated_at&filter[updated_at][gte]=2026-05-10T00:00:00Z&filter[deleted]=include&page[size]=500&page[after]=00000000-0000-0000-0000-000000000001, for a service.
-- 9,123 bytes as it is sent.

WITH behind AS (
  SELECT EXISTS (
    SELECT walked.pk, walked.updated_at
    FROM (
      SELECT walk_0.pk AS pk, walk_0.updated_at AS updated_at
      FROM (
        SELECT row.pk AS pk,
          CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END AS updated_at
        FROM core_api.company_workspace_connectors AS row
        JOIN LATERAL (
          SELECT company.id AS id
          FROM core_api.companies AS company
          WHERE company.pk = row.company_pk
            AND company.deleted_at IS NULL
            AND (EXISTS (
              SELECT *
              FROM core_api.workspaces AS workspaces_1
              WHERE workspaces_1.pk = company.workspace_pk
                AND workspaces_1.deleted_at IS NULL
            ))
          LIMIT ALL OFFSET 0
        ) AS seen_company ON true
        JOIN LATERAL (
          SELECT workspace_connector.id AS id
          FROM core_api.workspace_connectors AS workspace_connector
          WHERE workspace_connector.pk = row.workspace_connector_pk
            AND workspace_connector.deleted_at IS NULL
            AND (EXISTS (
              SELECT *
              FROM core_api.workspaces AS workspaces_2
              WHERE workspaces_2.pk = workspace_connector.workspace_pk
                AND workspaces_2.deleted_at IS NULL
            ))
          LIMIT ALL OFFSET 0
        ) AS seen_workspace_connector ON true
        WHERE row.deleted_at IS NULL
          AND CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END >= :updated_at_gte::TIMESTAMP
        WITH TIME ZONE
          AND (CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END, row.pk) <= (:cursor_at::TIMESTAMP WITH TIME ZONE, (
            SELECT wellspring.place_of('company_workspace_connectors', :cursor_id::UUID) AS place_of_1
          ))
        ORDER BY CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END DESC, row.pk DESC
        LIMIT 1
      ) AS walk_0
      UNION ALL
      SELECT walk_1.pk AS pk, walk_1.updated_at AS updated_at
      FROM (
        SELECT row.pk AS pk,
          CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END AS updated_at
        FROM core_api.company_workspace_connectors AS row
        JOIN LATERAL (
          SELECT company.id AS id
          FROM core_api.companies AS company
          WHERE company.pk = row.company_pk
            AND (company.deleted_at IS NULL OR row.deleted_at IS NOT NULL)
            AND (EXISTS (
              SELECT *
              FROM core_api.workspaces AS workspaces_3
              WHERE workspaces_3.pk = company.workspace_pk
                AND workspaces_3.deleted_at IS NULL
            ))
          LIMIT ALL OFFSET 0
        ) AS seen_company ON true
        JOIN LATERAL (
          SELECT workspace_connector.id AS id
          FROM core_api.workspace_connectors AS workspace_connector
          WHERE workspace_connector.pk = row.workspace_connector_pk
            AND (workspace_connector.deleted_at IS NULL OR row.deleted_at IS NOT NULL)
            AND (EXISTS (
              SELECT *
              FROM core_api.workspaces AS workspaces_4
              WHERE workspaces_4.pk = workspace_connector.workspace_pk
                AND workspaces_4.deleted_at IS NULL
            ))
          LIMIT ALL OFFSET 0
        ) AS seen_workspace_connector ON true
        WHERE row.deleted_at IS NOT NULL
          AND CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END >= :updated_at_gte::TIMESTAMP
        WITH TIME ZONE
          AND (CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END, row.pk) <= (:cursor_at::TIMESTAMP WITH TIME ZONE, (
            SELECT wellspring.place_of('company_workspace_connectors', :cursor_id::UUID) AS place_of_3
          ))
        ORDER BY CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END DESC, row.pk DESC
        LIMIT 1
      ) AS walk_1
    ) AS walked
    ORDER BY walked.updated_at DESC, walked.pk DESC
    LIMIT 1
  ) AS behind
),
page AS (
  SELECT walked.pk AS pk,
    walked.id AS id,
    walked.direction AS direction,
    walked.created_at AS created_at,
    walked.updated_at AS updated_at,
    walked.deleted_at AS deleted_at,
    walked.company_id AS company_id,
    walked.workspace_connector_id AS workspace_connector_id,
    walked.sync_message_pk AS sync_message_pk,
    walked.ended_by_pk AS ended_by_pk
  FROM (
    SELECT walk_0.pk AS pk,
      walk_0.id AS id,
      walk_0.direction AS direction,
      walk_0.created_at AS created_at,
      walk_0.updated_at AS updated_at,
      walk_0.deleted_at AS deleted_at,
      walk_0.company_id AS company_id,
      walk_0.workspace_connector_id AS workspace_connector_id,
      walk_0.sync_message_pk AS sync_message_pk,
      walk_0.ended_by_pk AS ended_by_pk
    FROM (
      SELECT row.pk AS pk,
        row.id AS id,
        row.direction AS direction,
        row.created_at AS created_at,
        CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END AS updated_at,
        row.deleted_at AS deleted_at,
        seen_company.id AS company_id,
        seen_workspace_connector.id AS workspace_connector_id,
        row.sync_message_pk AS sync_message_pk,
        row.ended_by_pk AS ended_by_pk
      FROM core_api.company_workspace_connectors AS row
      JOIN LATERAL (
        SELECT company.id AS id
        FROM core_api.companies AS company
        WHERE company.pk = row.company_pk
          AND company.deleted_at IS NULL
          AND (EXISTS (
            SELECT *
            FROM core_api.workspaces AS workspaces_5
            WHERE workspaces_5.pk = company.workspace_pk
              AND workspaces_5.deleted_at IS NULL
          ))
        LIMIT ALL OFFSET 0
      ) AS seen_company ON true
      JOIN LATERAL (
        SELECT workspace_connector.id AS id
        FROM core_api.workspace_connectors AS workspace_connector
        WHERE workspace_connector.pk = row.workspace_connector_pk
          AND workspace_connector.deleted_at IS NULL
          AND (EXISTS (
            SELECT *
            FROM core_api.workspaces AS workspaces_6
            WHERE workspaces_6.pk = workspace_connector.workspace_pk
              AND workspaces_6.deleted_at IS NULL
          ))
        LIMIT ALL OFFSET 0
      ) AS seen_workspace_connector ON true
      WHERE row.deleted_at IS NULL
        AND CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END >= :updated_at_gte::TIMESTAMP
      WITH TIME ZONE
        AND (CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END, row.pk) > (:cursor_at::TIMESTAMP WITH TIME ZONE, (
          SELECT wellspring.place_of('company_workspace_connectors', :cursor_id::UUID) AS place_of_5
        ))
      ORDER BY CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END ASC, row.pk ASC
      LIMIT :rows::INTEGER
    ) AS walk_0
    UNION ALL
    SELECT walk_1.pk AS pk,
      walk_1.id AS id,
      walk_1.direction AS direction,
      walk_1.created_at AS created_at,
      walk_1.updated_at AS updated_at,
      walk_1.deleted_at AS deleted_at,
      walk_1.company_id AS company_id,
      walk_1.workspace_connector_id AS workspace_connector_id,
      walk_1.sync_message_pk AS sync_message_pk,
      walk_1.ended_by_pk AS ended_by_pk
    FROM (
      SELECT row.pk AS pk,
        row.id AS id,
        row.direction AS direction,
        row.created_at AS created_at,
        CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END AS updated_at,
        row.deleted_at AS deleted_at,
        seen_company.id AS company_id,
        seen_workspace_connector.id AS workspace_connector_id,
        row.sync_message_pk AS sync_message_pk,
        row.ended_by_pk AS ended_by_pk
      FROM core_api.company_workspace_connectors AS row
      JOIN LATERAL (
        SELECT company.id AS id
        FROM core_api.companies AS company
        WHERE company.pk = row.company_pk
          AND (company.deleted_at IS NULL OR row.deleted_at IS NOT NULL)
          AND (EXISTS (
            SELECT *
            FROM core_api.workspaces AS workspaces_7
            WHERE workspaces_7.pk = company.workspace_pk
              AND workspaces_7.deleted_at IS NULL
          ))
        LIMIT ALL OFFSET 0
      ) AS seen_company ON true
      JOIN LATERAL (
        SELECT workspace_connector.id AS id
        FROM core_api.workspace_connectors AS workspace_connector
        WHERE workspace_connector.pk = row.workspace_connector_pk
          AND (workspace_connector.deleted_at IS NULL OR row.deleted_at IS NOT NULL)
          AND (EXISTS (
            SELECT *
            FROM core_api.workspaces AS workspaces_8
            WHERE workspaces_8.pk = workspace_connector.workspace_pk
              AND workspaces_8.deleted_at IS NULL
          ))
        LIMIT ALL OFFSET 0
      ) AS seen_workspace_connector ON true
      WHERE row.deleted_at IS NOT NULL
        AND CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END >= :updated_at_gte::TIMESTAMP
      WITH TIME ZONE
        AND (CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END, row.pk) > (:cursor_at::TIMESTAMP WITH TIME ZONE, (
          SELECT wellspring.place_of('company_workspace_connectors', :cursor_id::UUID) AS place_of_7
        ))
      ORDER BY CASE WHEN (row.updated_at IS NULL) THEN row.created_at ELSE row.updated_at END ASC, row.pk ASC
      LIMIT :rows::INTEGER
    ) AS walk_1
  ) AS walked
  ORDER BY walked.updated_at ASC, walked.pk ASC
  LIMIT :rows::INTEGER
),
shown AS (
  SELECT page.pk AS pk,
    page.id AS id,
    page.direction AS direction,
    page.created_at AS created_at,
    page.updated_at AS updated_at,
    page.deleted_at AS deleted_at,
    page.company_id AS company_id,
    page.workspace_connector_id AS workspace_connector_id, (
    SELECT sync_message.id
    FROM wellspring.sync_messages AS sync_message
    WHERE sync_message.pk = page.sync_message_pk
  ) AS sync_message_id, (
    SELECT ended_by.id
    FROM wellspring.sync_messages AS ended_by
    WHERE ended_by.pk = page.ended_by_pk
  ) AS ended_by_id
  FROM page
)
SELECT behind.behind,
  CAST(shown.id AS TEXT) AS id,
  shown.direction,
  CAST(shown.created_at AS TEXT) AS created_at,
  CAST(shown.updated_at AS TEXT) AS updated_at,
  CAST(shown.deleted_at AS TEXT) AS deleted_at,
  CAST(shown.company_id AS TEXT) AS company_id,
  CAST(shown.workspace_connector_id AS TEXT) AS workspace_connector_id,
  CAST(shown.sync_message_id AS TEXT) AS sync_message_id,
  CAST(shown.ended_by_id AS TEXT) AS ended_by_id
FROM behind
LEFT OUTER JOIN shown ON true
WHERE (
  SELECT wellspring.leave_ids('company_workspace_connector__company', array_agg(shown.company_id))
    AND wellspring.leave_ids('company_workspace_connector__workspace_connector', array_agg(shown.workspace_connector_id))
    AND wellspring.leave_ids('company_workspace_connector__sync_message', array_agg(shown.sync_message_id))
    AND wellspring.leave_ids('company_workspace_connector__ended_by', array_agg(shown.ended_by_id)) AS anon_1
  FROM shown
)
ORDER BY shown.updated_at ASC, shown.pk ASC
