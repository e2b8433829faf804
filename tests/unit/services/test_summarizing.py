from shared.services.summarizing import feedback_summary
from tests.support.learning import ADMIN, evidence, rate, routed, run
from tests.support.system import caller, play


def test_nothing_rated_has_no_means(tmp_path):
    async def scenario(system):
        found = await feedback_summary(system.deps, ADMIN)
        assert (found.ratings, found.mean_quality, found.by_model) == (0, None, [])

    play(tmp_path, scenario)


def test_figures_are_the_same_before_and_after_a_run(tmp_path):
    async def scenario(system):
        await evidence(system, 3, quality=5)
        await evidence(system, 1, quality=1, pattern="math")
        await evidence(system, 4, quality=2, model="large", provider="other")
        before = await feedback_summary(system.deps, ADMIN)
        await run(system)
        assert await feedback_summary(system.deps, ADMIN) == before
        assert [(one.provider, one.model, one.ratings) for one in before.by_model] == [
            ("local", "small", 4),
            ("other", "large", 4),
        ]
        assert [one.mean_quality for one in before.by_model] == [4.0, 2.0]
        assert [(one.pattern, one.ratings) for one in before.by_pattern] == [
            ("code", 7),
            ("math", 1),
        ]
        assert (before.ratings, before.correctness, before.mean_cost_usd) == (8, 0.375, 0.001)

    play(tmp_path, scenario)


def test_ratings_since_the_last_run_count(tmp_path):
    async def scenario(system):
        await evidence(system, 2, quality=5)
        await run(system)
        await evidence(system, 2, quality=1)
        found = await feedback_summary(system.deps, ADMIN)
        assert (found.ratings, found.mean_quality) == (4, 3.0)

    play(tmp_path, scenario)


def test_only_the_standing_rating_of_a_user_counts(tmp_path):
    async def scenario(system):
        await routed(system)
        await rate(system, quality=1)
        await run(system)
        await rate(system, quality=5)
        found = await feedback_summary(system.deps, ADMIN)
        assert (found.ratings, found.mean_quality, found.correctness) == (1, 5.0, 1.0)

    play(tmp_path, scenario)


def test_another_workspace_sees_none_of_it(tmp_path):
    async def scenario(system):
        await evidence(system, 2)
        other = caller("eve", role="admin", workspace="other")
        assert (await feedback_summary(system.deps, other)).ratings == 0

    play(tmp_path, scenario)
