"""What the planner believes of a table until ANALYZE has been there: that its rows are live.

Without statistics Postgres takes half a percent of a column for null. A plan that is made then takes an index of live
rows for nearly empty, and walks all of it for each row that has a key. Connections keep the plans of functions until
ANALYZE, also when a sync has brought 10,000 rows meanwhile: a retrieve cost a hundred times as much.
"""

from sqlalchemy import Connection, text

from wellspring.models.base import SCHEMA


def suppose(owner: Connection) -> None:
    """Write down what to believe of the tables that have tombstones and no statistics; ANALYZE overwrites it.

    Args:
        owner: a transaction of the schema's owner, who may ("Database Object Statistics Manipulation Functions" of
            Postgres 18).
    """
    owner.execute(_SUPPOSE, {"schema": SCHEMA})


_SUPPOSE = text("""
SELECT pg_catalog.pg_restore_attribute_stats(
         'schemaname', columns.table_schema::text, 'relname', columns.table_name::text,
         'attname', columns.column_name::text, 'inherited', false,
         'null_frac', 1::real, 'avg_width', 8, 'n_distinct', 0::real)
  FROM information_schema.columns
  JOIN pg_catalog.pg_tables AS found ON (found.schemaname, found.tablename) = (table_schema, table_name)
 WHERE columns.table_schema = :schema AND columns.column_name = 'deleted_at'
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_stats AS known
                    WHERE (known.schemaname, known.tablename, known.attname) = (table_schema, table_name, column_name))
""")
