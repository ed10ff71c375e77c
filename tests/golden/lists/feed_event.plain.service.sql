-- GET /v1/feed-events, for a service.
-- 509 bytes as it is sent.

WITH page AS (
  SELECT row.pk,
    row.id,
    row.source,
    row.event_id,
    row.event_type,
    row.subject,
    row.version AS sequence,
    row.received_at,
    row.outcome,
    row.reason,
    row.problems
  FROM wellspring.pending_events AS row
  WHERE true
  ORDER BY row.received_at DESC, row.pk DESC
  LIMIT :rows
),
shown AS (
  SELECT *
  FROM page
)
SELECT pk,
  id::text AS id,
  source,
  event_id,
  event_type,
  subject::text AS subject,
  sequence,
  received_at::text AS received_at,
  outcome,
  reason,
  problems
FROM shown
ORDER BY shown.received_at DESC, pk DESC
