"""Evidence on its way to BigQuery, without Pub/Sub: what a subscription delivers, it delivers."""

import random
from collections.abc import Sequence

from shared.adapters.analytics_bigquery import BigQueryAnalytics
from shared.adapters.feed_pubsub import encoded
from shared.domain.access import WORKSPACES, Workspace
from shared.domain.feedback import RatingEvidence
from shared.domain.records import SYSTEM_WORKSPACE
from shared.domain.times import to_text
from shared.errors import Unavailable
from shared.ports import EvidenceRow
from shared.services.deps import Deps, Options
from shared.services.exporting import export_everywhere
from tests.contract.store_records import HERE, NOW, THERE
from tests.fakes.bigquery import BigQueryServer
from tests.fakes.clock import ManualClock
from tests.fakes.ids import SeededIds


class LateFeed:
    """`EvidenceFeed` whose messages arrive in another order and some twice.

    `held` are those that have not arrived yet; `fail_next` publications fail, before or after
    (`half_way`) the first half of their rows was taken.
    """

    def __init__(self, server: BigQueryServer, seed: int = 7) -> None:
        self.server = server
        self.held: list[EvidenceRow] = []
        self.holding = False
        self.fail_next = 0
        self.half_way = False
        self.published: list[EvidenceRow] = []
        self._random = random.Random(seed)

    async def publish(self, rows: Sequence[EvidenceRow]) -> None:
        if self.fail_next:
            self.fail_next -= 1
            self._take(rows[: len(rows) // 2] if self.half_way else [])
            raise Unavailable("Pub/Sub was made to fail")
        self._take(rows)

    async def close(self) -> None:
        """Holds nothing open."""

    def _take(self, rows: Sequence[EvidenceRow]) -> None:
        self.published += rows
        self.held += rows
        if not self.holding:
            self.arrive()

    def arrive(self, rows: Sequence[EvidenceRow] | None = None) -> None:
        """Delivers these rows, or all that are held, shuffled, every third one twice."""
        chosen = list(self.held if rows is None else rows)
        self.held = [row for row in self.held if row not in chosen]
        copies = chosen + chosen[::3]
        self._random.shuffle(copies)
        for row in copies:
            kind = "ratings" if isinstance(row.evidence, RatingEvidence) else "outcomes"
            self.server.deliver(f"evidence_{kind}", encoded(row))


def exporting_deps(store, analytics, log, feed, clock=None) -> Deps:
    """Returns what exporting needs of the ports, and nothing else."""
    return Deps(
        store=store,
        analytics=analytics,
        blobs=None,
        bus=None,
        index=None,
        clock=clock or ManualClock(),
        ids=SeededIds(1),
        catalogue=None,
        providers={},
        notifiers=(),
        options=Options(),
        evidence_log=log,
        evidence_feed=feed,
    )


async def make_workspaces(store, names=(HERE, THERE)) -> None:
    """Makes the workspaces whose evidence is exported."""

    async def work(tx):
        for name in names:
            tx.put(WORKSPACES, Workspace(id=name, created_at=to_text(NOW)))

    await store.transact(SYSTEM_WORKSPACE, work)


class FedAnalytics:
    """`Analytics` by BigQuery that exports what is new before each answer, as the sweeper does."""

    def __init__(self, store, log, server: BigQueryServer) -> None:
        self.bigquery = BigQueryAnalytics(
            server.project, server.dataset, endpoint=server.url, head_age_s=0
        )
        self.feed = LateFeed(server)
        self.deps = exporting_deps(store, self.bigquery, log, self.feed)

    async def _arrive(self) -> None:
        await make_workspaces(self.deps.store)
        await export_everywhere(self.deps)

    async def head(self, workspace):
        await self._arrive()
        return await self.bigquery.head(workspace)

    async def rating_sums(self, workspace, after, upto, days=1):
        await self._arrive()
        return await self.bigquery.rating_sums(workspace, after, upto, days)

    async def outcome_sums(self, workspace, after, upto):
        await self._arrive()
        return await self.bigquery.outcome_sums(workspace, after, upto)

    async def quality_sums(self, workspace, after, upto):
        await self._arrive()
        return await self.bigquery.quality_sums(workspace, after, upto)

    async def arm_sums(self, workspace, after, upto):
        await self._arrive()
        return await self.bigquery.arm_sums(workspace, after, upto)
