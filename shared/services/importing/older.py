"""Importing an older system's data: requests, routing metrics, feedback, and cached answers.

    requests (+ their metrics) → decisions · metrics without a request → decisions
    feedback → feedback and evidence · cached answers → entries that wait for approval, where asked

Invariant: every row is imported, known already, superseded, or rejected with a reason, and is
counted as one of these. Doing it again imports nothing; one that was cut off ends the same.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from pydantic import ValidationError

from shared.domain.access import Caller
from shared.domain.feedback import FEEDBACK, ROUTING_DECISIONS, RoutingDecision
from shared.domain.older import FIELDS, KINDS, Kind, OlderMapping, Reader, Rejected
from shared.errors import InvalidInput, NotFound, WhetstoneError
from shared.messages.submitting import SubmitEntry
from shared.ports.older import OlderRow, OlderSource
from shared.services.deps import Deps
from shared.services.importing.decisions import (
    decision_of,
    older_id,
    says_the_same,
    write_decisions,
)
from shared.services.importing.ratings import (
    OlderRating,
    found_in,
    is_superseded,
    rating_of,
    write_ratings,
)
from shared.services.submitting import submit_entry
from shared.services.unit import writable

BATCH = 100
"""Rows in one transaction: a rating may take three writes."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that was not imported; `row` counts from 1 in the order in which they were read."""

    table: str
    row: int
    id: str
    reason: str


@dataclass(slots=True)
class Tally:
    """What became of the rows of one table, and sums of what is there and here of the good ones.

    `here` is read back from the store. `unused` columns were not read.
    """

    table: str
    rows: int = 0
    imported: int = 0
    known: int = 0
    superseded: int = 0
    rejected: int = 0
    unused: list[str] = field(default_factory=list)
    there_sums: dict[str, float] = field(default_factory=dict)
    here_sums: dict[str, float] = field(default_factory=dict)

    @property
    def equal(self) -> bool:
        """Whether every row is accounted for and the sums agree."""
        accounted = self.imported + self.known + self.superseded + self.rejected == self.rows
        return (
            accounted
            and self.there_sums.keys() == self.here_sums.keys()
            and all(
                abs(value - self.here_sums[name]) <= _TOLERANCE * max(1.0, abs(value))
                for name, value in self.there_sums.items()
            )
        )


@dataclass(frozen=True, slots=True)
class Request:
    """How to import.

    Args:
        workspace: into which.
        source: the name of the older system; ids follow from it, so keep it.
        mapping: names of tables and columns.
        cache: whether cached answers become entries that wait for approval.
        dry_run: writes nothing.
    """

    workspace: str
    source: str
    mapping: OlderMapping
    cache: bool = False
    dry_run: bool = False


_TOLERANCE = 1e-9
_TOPIC = 200
_CONTENT = 100_000
Rejects = Callable[[Reject], None]
Told = Callable[[str, int], None]


async def import_older(
    deps: Deps,
    source: OlderSource,
    request: Request,
    rejects: Rejects,
    told: Told = lambda *_: None,
) -> list[Tally]:
    """Imports what a source has; returns what became of each table that it has.

    Args:
        deps: the ports.
        source: the older database.
        request: how.
        rejects: is given each row that was not imported.
        told: is told the table and how many rows were looked at.

    Raises:
        NotFound: the source has none of the tables.
        InvalidInput: the mapping names what does not exist.
        Unavailable: the source or the store does not answer, or the workspace is read-only.
    """
    await writable(deps, request.workspace)
    importing = _Importing(deps, source, request, rejects, told)
    return await importing.run(await source.columns())


@dataclass(frozen=True, slots=True)
class _Good:
    """A row that tells of a decision."""

    number: int
    row: OlderRow
    decision: RoutingDecision


class _Importing:
    """One import.

    Args:
        deps: the ports.
        source: the older database.
        request: how.
        rejects: is given each row that was not imported.
        told: is told of progress.
    """

    def __init__(
        self, deps: Deps, source: OlderSource, request: Request, rejects: Rejects, told: Told
    ) -> None:
        self._deps = deps
        self._source = source
        self._request = request
        self._name = request.source
        self._caller = Caller(request.workspace, f"import:{request.source}", system=True)
        self._rejects = rejects
        self._told = told
        self._tables: dict[Kind, str] = {}
        self._readers: dict[Kind, Reader] = {}

    async def run(self, columns: dict[str, list[str]]) -> list[Tally]:
        self._read_columns(columns)
        work: dict[Kind, Callable[[Tally], AsyncIterator[int]]] = {
            "requests": self._requests,
            "routing_metrics": self._metrics,
            "response_feedback": self._feedback,
            "response_cache": self._cache,
        }
        tallies = []
        for kind in KINDS:
            if kind in self._tables and (kind != "response_cache" or self._request.cache):
                tally = Tally(self._tables[kind], unused=self._readers[kind].unused)
                async for rows in work[kind](tally):
                    self._told(tally.table, rows)
                tallies.append(tally)
        return tallies

    def _read_columns(self, columns: dict[str, list[str]]) -> None:
        for kind in KINDS:
            mapping = self._request.mapping.of(kind)
            table = mapping.table or kind
            if table not in columns:
                if mapping.table:
                    raise InvalidInput(f"the source has no table {table}")
                continue
            try:
                self._readers[kind] = Reader(kind, mapping, columns[table])
            except ValueError as error:
                raise InvalidInput(str(error)) from None
            self._tables[kind] = table
        if not self._tables:
            raise NotFound(f"the source has none of the tables {', '.join(FIELDS)}")

    async def _batches(self, kind: Kind, tally: Tally) -> AsyncIterator[list[tuple[int, OlderRow]]]:
        order = self._readers[kind].columns.get("at") or self._readers[kind].columns.get("id")
        async for rows in self._source.rows(self._tables[kind], order, BATCH):
            start, tally.rows = tally.rows + 1, tally.rows + len(rows)
            yield list(enumerate(rows, start=start))

    def _reject(self, kind: Kind, tally: Tally, number: int, row: OlderRow, why: str) -> None:
        tally.rejected += 1
        id = str(self._readers[kind].value(row, "id") or "")[:100]
        self._rejects(Reject(tally.table, number, id, why))

    # --- decisions ------------------------------------------------------------------------------

    async def _requests(self, tally: Tally) -> AsyncIterator[int]:
        async for batch in self._batches("requests", tally):
            metrics = await self._metrics_of([row for _, row in batch])
            good: list[_Good] = []
            for number, row in batch:
                try:
                    parts = [(self._readers["requests"], row)]
                    older = older_id(*parts[0])
                    if older in metrics:
                        parts.append((self._readers["routing_metrics"], metrics[older]))
                    good.append(_Good(number, row, decision_of(self._name, parts)))
                except Rejected as error:
                    self._reject("requests", tally, number, row, str(error))
            await self._write("requests", good, tally)
            yield len(batch)

    async def _metrics(self, tally: Tally) -> AsyncIterator[int]:
        """Imports metrics whose request is not there; the others went with it."""
        reader = self._readers["routing_metrics"]
        async for batch in self._batches("routing_metrics", tally):
            good: list[_Good] = []
            known = await self._with_a_request([row for _, row in batch])
            for number, row in batch:
                try:
                    if older_id(reader, row) in known:
                        tally.known += 1
                    else:
                        good.append(_Good(number, row, decision_of(self._name, [(reader, row)])))
                except Rejected as error:
                    self._reject("routing_metrics", tally, number, row, str(error))
            await self._write("routing_metrics", good, tally)
            yield len(batch)

    async def _write(self, kind: Kind, good: list[_Good], tally: Tally) -> None:
        """Writes decisions; of several with one id the first, where the others say the same."""
        first: dict[str, RoutingDecision] = {}
        for one in good:
            first.setdefault(one.decision.id, one.decision)
        before = await self._known(list(first.values()))
        stands = {**first, **{id: one for id, one in before.items() if one is not None}}
        fresh = {id for id, one in before.items() if one is None}
        for one in good:
            decision = one.decision
            if not says_the_same(stands[decision.id], decision):
                why = "another row with this id says otherwise"
                self._reject(kind, tally, one.number, one.row, why)
                continue
            new = decision.id in fresh
            fresh.discard(decision.id)
            tally.imported += new
            tally.known += not new
            _sum_decision(tally.there_sums, decision)
        if not self._request.dry_run:
            await self._sum_here(good, tally)
        else:
            tally.here_sums = dict(tally.there_sums)

    async def _known(self, decisions: list[RoutingDecision]) -> dict[str, RoutingDecision | None]:
        """Writes decisions, unless this is a dry run; returns what was there before, by id."""
        ids = [one.id for one in decisions]
        if not ids:
            return {}
        if self._request.dry_run:
            store, workspace = self._deps.store, self._request.workspace
            before = await store.get_many(workspace, ROUTING_DECISIONS, ids)
        else:
            before = await write_decisions(self._deps, self._caller, self._name, decisions)
        return dict(zip(ids, before, strict=True))

    async def _sum_here(self, good: list[_Good], tally: Tally) -> None:
        """Adds up what the store has now of the rows that were taken."""
        ids = [one.decision.id for one in good]
        found = await self._deps.store.get_many(self._request.workspace, ROUTING_DECISIONS, ids)
        for one, stored in zip(good, found, strict=True):
            if stored is not None and says_the_same(stored, one.decision):
                _sum_decision(tally.here_sums, stored)

    async def _metrics_of(self, rows: list[OlderRow]) -> dict[str, OlderRow]:
        """Returns the metrics of requests, by the request's id."""
        if "routing_metrics" not in self._tables:
            return {}
        requests, metrics = self._readers["requests"], self._readers["routing_metrics"]
        ids = [found for row in rows if (found := requests.value(row, "id")) is not None]
        column = metrics.columns.get("id")
        if column is None:
            return {}
        found = await self._source.having(self._tables["routing_metrics"], column, ids)
        return {str(metrics.value(row, "id")).strip(): row for row in found}

    async def _with_a_request(self, rows: list[OlderRow]) -> set[str]:
        """Returns those ids of metrics that a request has."""
        if "requests" not in self._tables or "id" not in self._readers["requests"].columns:
            return set()
        requests, metrics = self._readers["requests"], self._readers["routing_metrics"]
        ids = [found for row in rows if (found := metrics.value(row, "id")) is not None]
        table, column = self._tables["requests"], requests.columns["id"]
        found = await self._source.having(table, column, ids)
        return {str(requests.value(row, "id")).strip() for row in found}

    # --- feedback -------------------------------------------------------------------------------

    async def _feedback(self, tally: Tally) -> AsyncIterator[int]:
        reader = self._readers["response_feedback"]
        async for batch in self._batches("response_feedback", tally):
            good: list[tuple[int, OlderRow, OlderRating]] = []
            for number, row in batch:
                try:
                    good.append((number, row, rating_of(self._name, reader, row)))
                except Rejected as error:
                    self._reject("response_feedback", tally, number, row, str(error))
            await self._rate(good, tally)
            yield len(batch)

    async def _rate(self, good: list[tuple[int, OlderRow, OlderRating]], tally: Tally) -> None:
        ratings = [one for *_, one in good]
        if not ratings:
            return
        if self._request.dry_run:
            tally.imported += len(ratings)
            return
        done = await write_ratings(self._deps, self._caller, self._name, ratings)
        tally.imported += done.imported
        tally.known += done.known
        tally.superseded += done.superseded
        for number, row, one in good:
            if one.id in done.orphans:
                why = "the request that it rates was not imported"
                self._reject("response_feedback", tally, number, row, why)
        await self._compare([one for one in ratings if one.id not in done.orphans], tally)

    async def _compare(self, ratings: list[OlderRating], tally: Tally) -> None:
        ids = [one.record_id for one in ratings]
        stand = await self._deps.store.get_many(self._request.workspace, FEEDBACK, ids)
        for one, stands in zip(ratings, stand, strict=True):
            found = found_in(one, stands)
            if found is None and is_superseded(one, stands):
                continue
            said = one.command
            _add_sums(tally.there_sums, quality=said.quality_score, correct=said.is_correct)
            if found is not None:
                _add_sums(tally.here_sums, quality=found.quality_score, correct=found.is_correct)

    # --- cached answers -------------------------------------------------------------------------

    async def _cache(self, tally: Tally) -> AsyncIterator[int]:
        async for batch in self._batches("response_cache", tally):
            for number, row in batch:
                try:
                    entry = self._entry(row)
                    if self._request.dry_run:
                        tally.imported += 1
                        continue
                    answer = await submit_entry(self._deps, self._caller, entry, None)
                except Rejected as error:
                    self._reject("response_cache", tally, number, row, str(error))
                except WhetstoneError as error:
                    self._reject("response_cache", tally, number, row, error.detail)
                else:
                    tally.known += answer.duplicate
                    tally.imported += not answer.duplicate
            yield len(batch)

    def _entry(self, row: OlderRow) -> SubmitEntry:
        reader = self._readers["response_cache"]
        prompt, response = (
            reader.text(row, "prompt", 100_000),
            reader.text(row, "response", 100_000),
        )
        if prompt is None or response is None:
            raise Rejected("it has no prompt or no response")
        try:
            return SubmitEntry(
                topic=prompt[:_TOPIC],
                content=f"{prompt}\n\n{response}",
                confidence_score=0.0,
                tags=["imported"],
                metadata={
                    "source": self._name,
                    "cached_at": reader.moment(row),
                    "provider": reader.text(row, "provider", _TOPIC) or "",
                    "model": reader.text(row, "model", _TOPIC) or "",
                },
                submitter=f"import:{self._name}",
            )
        except ValidationError as error:
            raise Rejected(f"{error.errors()[0]['loc'][0]} {error.errors()[0]['msg']}") from None


def _sum_decision(sums: dict[str, float], one: RoutingDecision) -> None:
    _add_sums(sums, decisions=1, cost_usd=one.cost_usd or 0.0, latency_ms=one.latency_ms or 0)


def _add_sums(sums: dict[str, float], **amounts: float) -> None:
    for name, amount in amounts.items():
        sums[name] = sums.get(name, 0.0) + amount
