"""A rater of each state, for the page that shows them."""

from shared.domain.learning.raters import RATERS, Rater
from tests.support.system import WORKSPACE, System


async def raters(system: System) -> None:
    """Puts a rater of each state on record."""
    now = system.clock.now_text()
    common = {"first_rated_at": now, "last_rated_at": now, "burst_at": now}
    ones = (
        Rater(id="ada", state="proven", ratings=412, days=61, judged=380, residual=4_100, **common),
        Rater(id="new-here", ratings=3, days=1, **common),
        Rater(
            id="generous",
            state="doubted",
            ratings=90,
            days=4,
            judged=90,
            residual=38_000,
            purses={"above": 20_000_000},
            **common,
        ),
        Rater(
            id="script-7",
            state="aside",
            ratings=40,
            days=1,
            judged=40,
            residual=30_000,
            aside_by="system:raters",
            aside_at=now,
            reason="12 newcomers praised local/large together, unlike all others",
            **common,
        ),
    )

    async def write(tx) -> None:
        for one in ones:
            tx.put(RATERS, one)

    await system.store.transact(WORKSPACE, write)
