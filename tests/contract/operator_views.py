"""One record for each view that a store offers its operators, and what the views show of it."""

from typing import Any

from shared.domain.entries import ENTRIES
from shared.domain.feedback import FEEDBACK, RECOMMENDATIONS, Feedback, Rating, Recommendation
from shared.domain.learning.runs import (
    PATTERN_ROWS,
    PERFORMANCE,
    TRUST_ROWS,
    PatternRow,
    PerformanceRow,
    TrustRow,
)
from shared.domain.times import to_text
from shared.ports import Store
from tests.contract.store_records import NOW, entry, everything, puts, write


async def write_shown(store: Store) -> None:
    """Writes the records."""
    at = to_text(NOW)
    rating = Rating(
        id="1",
        feedback_id="fb_1",
        quality_score=4,
        is_correct=True,
        comment="good",
        rated_at=at,
    )
    where = {"pattern": "code", "provider": "local", "model": "small"}
    snapshot = {"snapshot_id": "snap_1"}
    await write(
        store,
        puts(ENTRIES, entry(1, published_revision=1)),
        puts(
            FEEDBACK,
            Feedback(
                id="req_1:ada",
                request_id="req_1",
                user_id="ada",
                rating=rating,
                updated_at=at,
                **where,
            ),
        ),
        puts(
            RECOMMENDATIONS,
            Recommendation(
                id="rec_1",
                agent_id="agent",
                agent_name="Agent",
                correlation_id="case",
                workflow_id="wf",
                recommendation_type="price",
                content="less",
                content_hash="h",
                confidence_score=0.5,
                submitted_by="key:a",
                created_at=at,
            ),
        ),
        puts(
            PERFORMANCE,
            PerformanceRow(
                id="p",
                n=3,
                mean_quality=4.5,
                correctness=1,
                mean_cost_usd=None,
                tier="proven",
                recorded_at=at,
                **where,
                **snapshot,
            ),
        ),
        puts(
            TRUST_ROWS,
            TrustRow(
                id="agent:price",
                agent_id="agent",
                recommendation_type="price",
                overall=0.7,
                n=9,
                card={"accuracy": 0.8, "trend": "rising"},
                updated_at=at,
                **snapshot,
            ),
        ),
        puts(
            PATTERN_ROWS,
            PatternRow(
                id="price:discount",
                category="price",
                success_rate=0.9,
                n=4,
                card={"words": ["discount"]},
                updated_at=at,
                **snapshot,
            ),
        ),
        everything,
    )


SHOWN: dict[str, dict[str, Any]] = {
    "kb_entries": {"entry_id": "ent_0001", "content": "content 1", "published_revision": 1},
    "response_feedback": {"feedback_id": "fb_1", "quality_score": 4, "is_correct": 1},
    "model_performance_history": {"model": "small", "mean_quality": 4.5, "tier": "proven"},
    "agent_recommendations": {"recommendation_id": "rec_1", "agent_name": "Agent"},
    "agent_trust_scores": {"agent_id": "agent", "overall": 0.7, "accuracy": 0.8},
    "recommendation_patterns": {"pattern_key": "price:discount", "words": '["discount"]'},
    "audit_log": {"seq": 1, "actor": "ada", "action": "entry.submitted"},
}
"""Columns of the one row of each view."""
