"""Sums of evidence by BigQuery, over tables that Pub/Sub subscriptions fill.

The invariant: `head` names a place only once every row up to it has arrived, so nothing appears at
or below it later. Places have no gaps, so that can be told from the table alone. What was found is
remembered and only looked beyond; a process that knows nothing yet starts at the first row.

The tables are those of bigquery_tables/, clustered by (workspace, seq), so that a range of places
reads its own blocks.
"""

import asyncio
import re
import threading
import time
from collections.abc import Sequence
from typing import Any

from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from google.cloud.bigquery.retry import DEFAULT_JOB_RETRY, DEFAULT_RETRY

from shared.adapters.bigquery_statements import ARMS, HEAD, OUTCOMES, QUALITY, RATINGS
from shared.adapters.google_errors import GOOGLE_ERRORS, unavailable
from shared.domain.learning.sums import OutcomeSums, QualitySums, RatingSums
from shared.domain.learning.trials import ArmSums
from shared.errors import InvalidInput, Unavailable
from shared.ports import EvidenceKind

PERMISSION = "bigquery.jobs.create and bigquery.tables.getData"
WINDOW = 100_000
"""Places that one look for the head covers."""

_NAME = re.compile(r"[A-Za-z0-9_:.-]+")
_REMEMBERED = 10_000
_LABELS = {"application": "whetstone"}

_Row = tuple[Any, ...]


class BigQueryAnalytics:
    """Implements `ports.Analytics`, for any number of threads and event loops.

    Args:
        project: the Google Cloud project of the dataset, which also pays for the queries.
        dataset: the dataset of the tables `evidence_ratings` and `evidence_outcomes`.
        location: of the dataset; found by its name where None.
        head_age_s: seconds that a head may be old: each look is a query that is paid for.
        deadline_s: seconds that one question may take.
        endpoint: another server than Google's; without credentials where it is plain http.

    Raises:
        InvalidInput: the project or the dataset cannot be the name of one.
    """

    def __init__(
        self,
        project: str,
        dataset: str,
        *,
        location: str | None = None,
        head_age_s: float = 10.0,
        deadline_s: float = 120.0,
        endpoint: str | None = None,
    ) -> None:
        if not (_NAME.fullmatch(project) and _NAME.fullmatch(dataset)):
            raise InvalidInput(f"{project}.{dataset} is not the name of a dataset")
        self._project = project
        self._dataset = dataset
        self._location = location
        self._head_age_s = head_age_s
        self._deadline_s = deadline_s
        self._endpoint = endpoint
        self._heads: dict[tuple[str, EvidenceKind], tuple[int, float]] = {}
        self._making = threading.Lock()
        self._client: bigquery.Client | None = None

    async def head(self, workspace: str) -> tuple[int, int]:
        """See Analytics: the places up to which every row has arrived."""
        ratings, outcomes = await asyncio.gather(
            self._head(workspace, "ratings"), self._head(workspace, "outcomes")
        )
        return ratings, outcomes

    async def rating_sums(
        self, workspace: str, after: int, upto: int, days: int = 1
    ) -> list[RatingSums]:
        """See Analytics."""
        rows = await self._ask(RATINGS, "ratings", workspace, after, upto, days)
        return [RatingSums._make(row) for row in rows]

    async def outcome_sums(self, workspace: str, after: int, upto: int) -> list[OutcomeSums]:
        """See Analytics."""
        rows = await self._ask(OUTCOMES, "outcomes", workspace, after, upto)
        return [OutcomeSums(*row) for row in rows]

    async def quality_sums(self, workspace: str, after: int, upto: int) -> list[QualitySums]:
        """See Analytics."""
        rows = await self._ask(QUALITY, "ratings", workspace, after, upto)
        return [QualitySums(*row) for row in rows]

    async def arm_sums(self, workspace: str, after: int, upto: int) -> list[ArmSums]:
        """See Analytics."""
        rows = await self._ask(ARMS, "ratings", workspace, after, upto)
        return [ArmSums(*row) for row in rows]

    async def close(self) -> None:
        """Lets go of the connections."""
        if self._client is not None:
            self._client.close()

    async def _head(self, workspace: str, kind: EvidenceKind) -> int:
        place, looked_at = self._heads.get((workspace, kind), (0, -self._head_age_s))
        now = time.monotonic()
        if now - looked_at < self._head_age_s:
            return place
        arrived = WINDOW
        while arrived == WINDOW:
            ((arrived,),) = await self._ask(HEAD, kind, workspace, place, place + WINDOW)
            place += arrived
        if len(self._heads) >= _REMEMBERED:
            self._heads.clear()
        self._heads[workspace, kind] = place, now
        return place

    async def _ask(
        self,
        statement: str,
        kind: EvidenceKind,
        workspace: str,
        after: int,
        upto: int,
        days: int = 1,
    ) -> Sequence[_Row]:
        """Runs a statement over a range of one log in a thread; returns its rows."""
        table = f"{self._project}.{self._dataset}.evidence_{kind}"
        sql = statement.format(table=f"`{table}`", days=days)
        config = bigquery.QueryJobConfig(
            query_parameters=[
                bigquery.ScalarQueryParameter("workspace", "STRING", workspace),
                bigquery.ScalarQueryParameter("after", "INT64", after),
                bigquery.ScalarQueryParameter("upto", "INT64", upto),
            ],
            labels=_LABELS,
        )
        try:
            async with asyncio.timeout(self._deadline_s):
                return await asyncio.to_thread(self._query, sql, config)
        except TimeoutError:
            raise Unavailable(
                f"the table {table} was not summed up within {self._deadline_s:g} seconds"
            ) from None
        except GOOGLE_ERRORS as error:
            raise unavailable(f"the table {table}", error, permission=PERMISSION) from error

    def _query(self, sql: str, config: bigquery.QueryJobConfig) -> Sequence[_Row]:
        rows = self._connected().query_and_wait(
            sql,
            job_config=config,
            location=self._location,
            api_timeout=self._deadline_s,
            wait_timeout=self._deadline_s,
            retry=DEFAULT_RETRY.with_timeout(self._deadline_s),
            job_retry=DEFAULT_JOB_RETRY.with_timeout(self._deadline_s),
        )
        return [row.values() for row in rows]

    def _connected(self) -> bigquery.Client:
        with self._making:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def _connect(self) -> bigquery.Client:
        if self._endpoint is None:
            return bigquery.Client(project=self._project)
        plain = self._endpoint.startswith("http://")
        return bigquery.Client(
            project=self._project,
            credentials=AnonymousCredentials() if plain else None,
            client_options=ClientOptions(api_endpoint=self._endpoint),
        )
