"""Comparison of the sums with the rows."""

from tests.support.databases import AnyDatabase

RECOUNT = "SELECT * FROM wellspring.recount(0, 9223372036854775807, false)"


def sums_are_right(database: AnyDatabase) -> None:
    """Recount activity, live rows and parked messages of every connector; nothing may differ."""
    differences = database.owner.exec_driver_sql(RECOUNT).all()
    database.commit()
    assert differences == []
