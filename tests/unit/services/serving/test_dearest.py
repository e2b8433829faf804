"""What the dearest request that is taken costs can be kept, rated and learned from."""

from shared.domain.models import MAX_USD_PER_M
from shared.messages.rating import RecordFeedback
from shared.messages.serving import RouteRequest
from shared.services import rating, training
from shared.services.serving import routing
from tests.support.system import caller, play

KEY = caller("key:app", scopes=("serve", "feedback"))
ADMIN = caller("ada", role="admin")
DEAREST = {
    "provider": "acme",
    "model": "dear",
    "usd_per_m_input": MAX_USD_PER_M,
    "usd_per_m_output": MAX_USD_PER_M,
}


def test_the_dearest_request_is_rated_and_learned_from(tmp_path):
    async def scenario(system):
        command = RouteRequest.model_validate(
            {"prompt": "x" * 10**6, "candidates": [DEAREST], "expected_output_tokens": 10**6}
        )
        for user in ("lin", "sam"):
            routed = await routing.route(system.deps, KEY, command, None)
            assert routed.estimated_cost_usd == MAX_USD_PER_M * 1.25
            rated = RecordFeedback(
                request_id=routed.request_id, quality_score=5, is_correct=True, user_id=user
            )
            await rating.record_feedback(system.deps, KEY, rated, None)
        run = await training.start_run(system.deps, ADMIN, "", None, dry_run=False)
        assert (run.status, run.ratings_read) == ("succeeded", 2)

    play(tmp_path, scenario)
