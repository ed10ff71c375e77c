"""Matching providers to workspaces. What is matched already is left alone, and nothing is selected."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text

from wellspring.database.flush import Statement
from wellspring.models.junctions import workspace_providers
from wellspring.repositories.sync.arrays import array, array_of_arrays
from wellspring.repositories.sync.messages import counted


@dataclass(frozen=True, slots=True)
class Matching:
    """What one message matches.

    Attributes:
        message_pk: the message's.
        workspace_pk: to which workspace.
        provider_pks: which providers, as the text of an array.
    """

    message_pk: int
    workspace_pk: int
    provider_pks: str


def match(matchings: Sequence[Matching]) -> Statement:
    """Match providers; answered with (pk of the message, how many choices it made or changed)."""
    return Statement(
        _STATEMENT,
        {
            "messages": array(matching.message_pk for matching in matchings),
            "workspaces": array(matching.workspace_pk for matching in matchings),
            "providers": array_of_arrays(matching.provider_pks for matching in matchings),
        },
    )


# In the order of the pairs, so that two batches that match the same wait for, not on, each other.
_STATEMENT = text(f"""
WITH choice AS MATERIALIZED (
  SELECT DISTINCT ON (message.workspace_pk, provider.pk) message.workspace_pk, provider.pk AS provider_pk,
         message.pk AS message_pk
    FROM unnest(CAST(:messages AS bigint[]), CAST(:workspaces AS bigint[]), CAST(:providers AS text[]))
         WITH ORDINALITY AS message (pk, workspace_pk, provider_pks, number)
   CROSS JOIN LATERAL unnest(CAST(message.provider_pks AS bigint[])) AS provider (pk)
    LEFT JOIN LATERAL (
      SELECT found.is_matched
        FROM {workspace_providers} AS found
       WHERE found.workspace_pk = message.workspace_pk AND found.provider_pk = provider.pk AND found.deleted_at IS NULL
      OFFSET 0
    ) AS old ON true
   WHERE old.is_matched IS NOT TRUE
   ORDER BY message.workspace_pk, provider.pk, message.number
),
matched AS (
  INSERT INTO {workspace_providers} AS old (workspace_pk, provider_pk, is_matched)
  SELECT workspace_pk, provider_pk, true FROM choice ORDER BY workspace_pk, provider_pk
      ON CONFLICT (workspace_pk, provider_pk) WHERE deleted_at IS NULL
      DO UPDATE SET is_matched = true, updated_at = now() WHERE NOT old.is_matched
),
{counted("provider", "matched", "choice")}""")
