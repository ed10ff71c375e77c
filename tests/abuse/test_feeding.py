"""The harness's feed, and its verdict, are right when nothing goes wrong: no queue, no processes."""

from tests.abuse.feeding import Plan, errors, judge, plan, said
from tests.support.databases import FEEDER, FreshDatabase
from tests.support.feed import apply, settle

MESSAGES = 400


def in_order(told: Plan) -> list[tuple[str, str]]:
    return [(event["subject"], event["sequence"]) for body in told.bodies for event in body]


def test_a_seed_tells_the_same_again_and_another_one_something_else() -> None:
    assert plan(7, MESSAGES).told == plan(7, MESSAGES).told
    assert in_order(plan(7, MESSAGES)) == in_order(plan(7, MESSAGES))
    assert in_order(plan(7, MESSAGES)) != in_order(plan(8, MESSAGES))


def test_every_type_is_made_ended_revived_and_erased_and_bodies_come_twice() -> None:
    told = plan(1, 2500)
    ended = {one.resource.type for one in told.told if None in one.versions.values()}
    assert ended == {one.resource.type for one in told.told}
    assert len(ended) == 8
    lives = [[one.versions[version] for version in sorted(one.versions)] for one in told.told]
    assert any(None in values and values[-1] is not None for values in lives)
    assert any(one.erased for one in told.told)
    bodies = [str(body) for body in told.bodies]
    assert len(set(bodies)) < len(bodies)


def test_what_is_wrong_is_found(fresh_database: FreshDatabase) -> None:
    fresh_database.role = FEEDER
    told = plan(1, MESSAGES)
    # One after the other: what is deleted in the batch that makes it never has a row.
    for body in told.bodies:
        apply(*body)
    settle()
    assert judge(told.told, fresh_database.url) == []
    for wrong, finding in (
        ("UPDATE core_api.companies SET name = 'Wrong' WHERE deleted_at IS NULL", "shows 'Wrong'"),
        ("UPDATE core_api.workspaces SET source_version = source_version - 1", "is at version"),
        ("UPDATE core_api.workspaces SET deleted_at = NULL", "is live, and it has ended"),
        ("UPDATE wellspring.feed_sources SET live = live + 1", "the sums of what is live"),
        ("DELETE FROM core_api.workspace_memberships", "shows None"),
        ("UPDATE wellspring.pending_events SET outcome = 'parked', reason = 'malformed'", "is kept"),
    ):
        assert fresh_database.owner.exec_driver_sql(wrong).rowcount
        fresh_database.commit()
        assert any(finding in problem for problem in judge(told.told, fresh_database.url)), wrong


def test_a_line_that_was_cut_says_nothing() -> None:
    assert said(['{"level": "ERROR"}', '{"level": "ERR', '"level"', "7", "null", ""]) == [{"level": "ERROR"}]


def test_settling_may_fail_where_postgres_is_away_and_nothing_else_may() -> None:
    away = {"level": "ERROR", "message": "settling failed", "code": "SERVICE_UNAVAILABLE"}
    assert errors([away, {"level": "INFO", "message": "applied"}]) == []
    for other in ({"code": "INTERNAL_ERROR"}, {"message": "applying failed"}, {"level": "CRITICAL", "code": "BUG"}):
        assert len(errors([away, away | other])) == 1
