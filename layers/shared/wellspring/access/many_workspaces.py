"""SQL text for people of hundreds of workspaces alone (docs/adr/0042, 0045).

Of few workspaces a caller's are an array, of more each row's is looked up: what a row costs must not grow with what
else its reader sees. And their plain page is read by what each of their connectors brought last. Taken away, with its
uses in `predicates` and `ledger.per_parent`, nothing but time is lost: each workspace is looked up, and each head.
"""

# ---- the workspaces of who has few of them -----------------------------------------------------------------
FEW = 16
# As many as show whether they are few, in the order of an index, so that no more than these are read.
SOME_DIRECT = f"({{direct}} ORDER BY pk LIMIT {FEW + 1})"
SOME_OF_GROUPS = f"""
(SELECT of_group.pk
   FROM visible_groups
  CROSS JOIN LATERAL (
    SELECT enrolment.workspace_pk AS pk
      FROM core_api.workspace_group_workspaces AS enrolment
     WHERE enrolment.deleted_at IS NULL AND enrolment.workspace_group_pk = visible_groups.pk
     ORDER BY enrolment.workspace_pk
     LIMIT {FEW + 1}) AS of_group
  LIMIT {FEW + 1})
"""
# One row: the array of the workspaces that the caller sees, or null where they are not few.
FEW_OF_THEM = f"""
SELECT CASE WHEN (SELECT count(*) FROM opened) <= {FEW}
            THEN ARRAY(SELECT opened.pk FROM opened WHERE {{is_live}}) END AS workspaces
"""
AMONG_FEW = "coalesce({pk} = ANY ((SELECT workspaces FROM few)::bigint[]), {looked_up})"

# ---- the plain page: of a person, of provenance, from its beginning or onwards -----------------------------
# How many of the first heads' parents are read for how far the page reaches, and beside how many that pays.
NEAREST, SPARED_FROM = 3, 8
OF_NEAREST = f"(SELECT * FROM head WHERE (SELECT count(*) FROM head) > {SPARED_FROM} AND place <= {NEAREST})"
# What the database knows of the drivers' newest rows, whoever sees them: no head is newer. Without a driver, what the
# newest rows of all others are older than.
NEWEST = """
SELECT *
  FROM wellspring.newest_of_{table}(
         (SELECT CASE WHEN count(*) > 2 * :rows THEN CAST(:rows AS integer) END
            FROM driver), -- nothing where a page has room for half of them
         {before})
"""
FROM_THE_NEWEST = "'infinity'::timestamptz, 9223372036854775807"
# The cursor's own row is read, too, whatever pk it has.
FROM_CURSOR = ":cursor_at, least(:cursor_pk, 9223372036854775806) + 1"
# CASE: thousands of drivers are looked for in a hashed list. What is planned once hashes no join (`plan_cache`), and
# each driver would be compared with each of the newest.
LIKELY = """
SELECT driver.*, newest_at, newest_pk, row_number() OVER (ORDER BY newest_at DESC, newest_pk DESC) AS turn
  FROM (SELECT * FROM driver WHERE CASE WHEN pk IN (SELECT connector_pk FROM newest) THEN true END) AS driver
  JOIN newest ON newest.connector_pk = driver.pk
"""
NEAR = """
SELECT driver.*, head.*
  FROM likely AS driver
 CROSS JOIN LATERAL ({first}) AS head
 WHERE turn <= :rows -- the heads of a page's worth of them are looked up
"""
# What is not as new as the last of these heads is on no page.
FURTHEST = """
SELECT head_at, head_pk
  FROM near
 WHERE (SELECT count(*) FROM near) = :rows -- they fill a page
 ORDER BY head_at, head_pk
 LIMIT 1
"""
FAR = """
SELECT *
  FROM likely
 WHERE turn > :rows -- of the others those that may have a row as new; mostly none
   AND NOT EXISTS (SELECT 1 FROM furthest WHERE (newest_at, newest_pk) < (head_at, head_pk))
 UNION ALL
SELECT driver.*, NULL, NULL, NULL
  FROM driver
 WHERE NOT (SELECT EXISTS (
             SELECT 1 FROM furthest -- and those omitted, unless none of them has a row newer than this
              WHERE coalesce(head_at >= (SELECT newest_at FROM newest WHERE connector_pk IS NULL), true)))
   AND driver.pk NOT IN (SELECT pk FROM likely)
"""
HEADS = """
SELECT driver.*, row_number() OVER (ORDER BY head_at DESC, head_pk DESC) AS place
  FROM (SELECT * FROM near
         UNION ALL
        SELECT driver.*, head.* FROM far AS driver CROSS JOIN LATERAL ({first}) AS head) AS driver
 ORDER BY head_at DESC, head_pk DESC
 LIMIT :rows
"""


def likely_heads(first: str, *, is_after: bool, table: str) -> dict[str, str]:
    """Return the queries of the drivers that can have rows on the page, the last of which is `head`.

    `first` is the query of the first row of `driver`; with `is_after` the page continues from a row.
    """
    return {
        "newest": NEWEST.format(table=table, before=FROM_CURSOR if is_after else FROM_THE_NEWEST),
        "likely": LIKELY,
        "near": NEAR.format(first=first),
        "furthest": FURTHEST,
        "far": FAR,
        "head": HEADS.format(first=first),
    }
