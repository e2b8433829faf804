"""A session counts once in a trial, however often it is rated."""

from shared.domain.learning.trials import TRIAL_UNITS, TRIALS
from shared.messages.rating import JudgeRater
from shared.services import experimenting, raters
from shared.services.watching_trials import look
from tests.support.learning import ADMIN, head, rate, routed, rows
from tests.support.system import WORKSPACE, play
from tests.unit.services.test_experimenting import LIMITS, start

ARMS = "SELECT arm, SUM(sign) FROM evidence_ratings GROUP BY arm HAVING SUM(sign) <> 0 ORDER BY arm"


async def asked(system, trial_id, arm, session, number, quality, user="ada"):
    """Has a request of a session routed by an arm, and rated by someone."""
    name = f"req_{arm}_{session}_{number}"
    await routed(system, name, trial=trial_id, arm=arm, session_id=session)
    return await rate(system, name, quality, user_id=user)


def test_twenty_ratings_of_one_session_do_not_end_an_experiment(tmp_path):
    """One person asks twenty times and finds all of it bad; ten others find all of it good."""

    async def scenario(system):
        trial_id = (await start(system, guardrails=LIMITS)).trial_id
        for number in range(20):
            await asked(system, trial_id, "large", "one", number, 1)
            await asked(system, trial_id, "small", f"s{number}", 0, 5, user=f"u{number}")
        for number in range(10):
            await asked(system, trial_id, "large", f"t{number}", 0, 5, user=f"u{number}")
        await look(system.deps, WORKSPACE)
        seen = await experimenting.view_experiment(system.deps, ADMIN, trial_id)
        assert seen.state == "running"
        assert [(one.n_first, one.n) for one in seen.findings] == [(20, 11), (20, 11)]

    play(tmp_path, scenario)


def test_as_many_bad_ratings_of_as_many_sessions_do(tmp_path):
    async def scenario(system):
        trial_id = (await start(system, guardrails=LIMITS)).trial_id
        for number in range(20):
            await asked(system, trial_id, "large", f"l{number}", 0, 1, user=f"u{number}")
            await asked(system, trial_id, "small", f"s{number}", 0, 5, user=f"u{number}")
        await look(system.deps, WORKSPACE)
        assert (await system.store.get(WORKSPACE, TRIALS, trial_id)).state == "stopped"
        assert (await head(system)).trial is None

    play(tmp_path, scenario)


def test_the_first_rating_of_a_session_counts_and_may_be_replaced(tmp_path):
    async def scenario(system):
        trial_id = (await start(system)).trial_id
        await asked(system, trial_id, "small", "s", 1, 5)
        await asked(system, trial_id, "small", "s", 2, 1)
        await asked(system, trial_id, "small", "s", 1, 2)
        await asked(system, trial_id, "small", "s", 1, 3, user="grace")
        assert rows(system, ARMS) == [("", 2), (f"{trial_id}/small", 1)]
        standing = "SELECT quality FROM evidence_ratings WHERE arm <> '' ORDER BY seq"
        assert [quality for (quality,) in rows(system, standing)] == [5, 5, 2]

    play(tmp_path, scenario)


def test_without_a_session_each_request_counts_once(tmp_path):
    async def scenario(system):
        trial_id = (await start(system)).trial_id
        for number in range(3):
            await asked(system, trial_id, "small", None, number, 5)
            await asked(system, trial_id, "small", None, number, 4, user="grace")
        assert rows(system, ARMS) == [("", 3), (f"{trial_id}/small", 3)]

    play(tmp_path, scenario)


def test_a_rating_that_does_not_count_takes_no_sessions_turn(tmp_path):
    async def scenario(system):
        trial_id = (await start(system)).trial_id
        await routed(system, "req_before")
        await rate(system, "req_before", 1, user_id="mallory")
        await raters.set_aside(system.deps, ADMIN, "mallory", JudgeRater(reason="A script."), None)
        await asked(system, trial_id, "small", "s", 1, 1, user="mallory")
        assert (await system.store.find(WORKSPACE, TRIAL_UNITS)).items == []
        await asked(system, trial_id, "small", "s", 2, 5)
        [arms] = [dict(rows(system, ARMS))]
        assert arms[f"{trial_id}/small"] == 1

    play(tmp_path, scenario)
