"""All that Postgres's catalogue knows of our two schemas, as sorted lines: what a dump would say.

Two databases with the same lines are the same to whoever uses them. Runs of white space are one space.
"""

from tests.schema.conftest import Catalogue

_ACL = "aclexplode(coalesce({acl}, acldefault('{kind}', {owner})))"
_RIGHT = "CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END, privilege_type, is_grantable"
_QUERY = f"""
WITH ours AS (SELECT oid, nspname, nspacl, nspowner FROM pg_namespace WHERE nspname IN ('core_api', 'wellspring')),
relation AS (
  SELECT pg_class.*, oid::regclass::text AS named FROM pg_class
   WHERE relnamespace IN (SELECT oid FROM ours) AND relname !~ '^(pk_)?alembic_version'
)
SELECT line FROM (
  SELECT format('schema %s: %s %s %s', nspname, {_RIGHT})
    FROM ours, {_ACL.format(acl="nspacl", kind="n", owner="nspowner")}
   UNION ALL
  SELECT format('relation %s: kind %s, secured %s, forced %s, %s, replica identity %s', named, relkind, relrowsecurity,
                relforcerowsecurity, reloptions, relreplident) FROM relation
   UNION ALL
  SELECT format('right to %s: %s %s %s', named, {_RIGHT})
    FROM relation,
         aclexplode(coalesce(relacl, acldefault(CAST(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END AS "char"), relowner)))
   WHERE relkind IN ('r', 'v', 'S')
   UNION ALL
  SELECT format('column %s.%s: place %s, %s, not null %s, identity %s, generated %s, collation %s, statistics %s, %s',
                named, attname, row_number() OVER (PARTITION BY attrelid ORDER BY attnum),
                format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated,
                nullif(attcollation, 0)::regcollation, attstattarget, pg_get_expr(adbin, adrelid))
    FROM pg_attribute JOIN relation ON relation.oid = attrelid
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
   WHERE attnum > 0 AND NOT attisdropped AND relkind IN ('r', 'v')
   UNION ALL
  SELECT format('right to column %s.%s: %s %s %s', named, attname, {_RIGHT})
    FROM pg_attribute JOIN relation ON relation.oid = attrelid, aclexplode(attacl)
   UNION ALL
  SELECT format('constraint %s on %s: %s, validated %s', conname, conrelid::regclass, pg_get_constraintdef(oid),
                convalidated)
    FROM pg_constraint WHERE conrelid IN (SELECT oid FROM relation)
   UNION ALL
  SELECT format('index %s, valid %s', pg_get_indexdef(indexrelid), indisvalid)
    FROM pg_index WHERE indrelid IN (SELECT oid FROM relation)
   UNION ALL
  SELECT format('trigger %s, enabled %s', pg_get_triggerdef(oid), tgenabled)
    FROM pg_trigger WHERE tgrelid IN (SELECT oid FROM relation) AND NOT tgisinternal
   UNION ALL
  SELECT format('policy %s on %s.%s: %s %s %s %s %s', policyname, schemaname, tablename, permissive,
                ARRAY(SELECT unnest(roles) ORDER BY 1), cmd, qual, with_check)
    FROM pg_policies WHERE schemaname IN ('core_api', 'wellspring')
   UNION ALL
  SELECT format('view %s: %s', named, pg_get_viewdef(oid))
    FROM relation WHERE relkind = 'v'
   UNION ALL
  SELECT format('sequence %s.%s: %s', schemaname, sequencename,
                (data_type, start_value, min_value, max_value, increment_by, cycle, cache_size))
    FROM pg_sequences WHERE schemaname IN ('core_api', 'wellspring')
   UNION ALL
  SELECT format('function %s', pg_get_functiondef(oid))
    FROM pg_proc WHERE pronamespace IN (SELECT oid FROM ours)
   UNION ALL
  SELECT format('right to function %s: %s %s %s', oid::regprocedure, {_RIGHT})
    FROM pg_proc, {_ACL.format(acl="proacl", kind="f", owner="proowner")}
   WHERE pronamespace IN (SELECT oid FROM ours)
   UNION ALL
  SELECT format('type %s: %s', oid::regtype, ARRAY(SELECT enumlabel FROM pg_enum WHERE enumtypid = pg_type.oid
                                                    ORDER BY enumsortorder))
    FROM pg_type WHERE typnamespace IN (SELECT oid FROM ours) AND typtype = 'e'
   UNION ALL
  SELECT format('comment %s %s: %s', pg_describe_object(classoid, objoid, objsubid), objsubid, description)
    FROM pg_description
   WHERE classoid = 'pg_class'::regclass AND objoid IN (SELECT oid FROM relation)
      OR classoid = 'pg_proc'::regclass
         AND objoid IN (SELECT oid FROM pg_proc WHERE pronamespace IN (SELECT oid FROM ours))
   UNION ALL
  SELECT format('statistics %s', pg_get_statisticsobjdef(oid))
    FROM pg_statistic_ext WHERE stxnamespace IN (SELECT oid FROM ours)
   UNION ALL
  SELECT format('default rights %s', pg_default_acl) FROM pg_default_acl
   UNION ALL
  SELECT format('role %s: %s', rolname, (rolcanlogin, rolinherit, rolsuper, rolcreatedb, rolcreaterole, rolbypassrls,
                ARRAY(SELECT unnest(rolconfig) ORDER BY 1)))
    FROM pg_roles WHERE rolname LIKE 'wellspring%'
) AS known (line)
"""


def everything(catalogue: Catalogue) -> list[str]:
    """Return a line for each thing that the catalogue knows of our schemas, and of the roles of the functions."""
    return sorted(" ".join(line.split()) for line in catalogue.column(_QUERY))
