"""A dry run tells what the proposed policy would have earned, as it would decide now."""

from shared.domain.learning.config import LearningConfig, RaterConfig
from shared.services.deps import Options
from tests.support.learning import rate, routed, run
from tests.support.serving import LARGE
from tests.support.system import play


async def traffic(system):
    """Stores rated requests of two models, each drawn half of the time."""
    for number in range(160):
        model = ("local", "small") if number % 2 else LARGE
        name = f"req_{number}"
        await routed(system, name, provider=model[0], model=model[1], propensity=0.5)
        good = number % 2 == 0 or number % 5 == 0
        await rate(system, name, 5 if good else 2)


def test_a_dry_run_foresees_the_gain_with_intervals_and_in_words(tmp_path):
    async def scenario(system):
        await traffic(system)
        view = await run(system, dry_run=True)
        found = view.off_policy
        assert found["proposed"]["correctness"]["dr"]["mean"] > 0.9
        assert found["difference"]["correctness"]["dr"]["low"] > 0
        assert "better" in found["words"]
        assert found["current"]["refused"] == found["proposed"]["refused"] == ""

    raters = RaterConfig(judging=False)
    options = Options(learning=LearningConfig(exploration_rate=0.0, raters=raters))
    play(tmp_path, scenario, options=options)


def test_without_rated_traffic_it_says_that_it_cannot_tell(tmp_path):
    async def scenario(system):
        view = await run(system, dry_run=True)
        assert "cannot be told" in view.off_policy["words"]
        assert view.off_policy["proposed"]["quality"] is None

    play(tmp_path, scenario)
