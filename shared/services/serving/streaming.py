"""Complete, as a stream: first an event with the decision, then the pieces, at last the usage.

Invariant: the decision is on record before the first event, and what it took before the last. A
task of its own reads from the provider, so that also a caller who hangs up leaves a whole record.
A model that fails before its first piece is replaced by the next one; after that the stream ends
with an error event.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import cast

from shared.domain.access import Caller, IdempotencyKey
from shared.domain.feedback import RoutingDecision
from shared.domain.models import estimate_tokens
from shared.errors import FieldProblem, InvalidInput, Unavailable, WhetstoneError
from shared.messages.serving import (
    CompleteRequest,
    StreamDelta,
    StreamEnd,
    StreamError,
    StreamPart,
    StreamStart,
)
from shared.ports import Completion, CompletionChunk
from shared.services.deps import Deps
from shared.services.serving.completing import (
    Exchange,
    attempts,
    begin,
    elapsed_ms,
    keep,
    settled,
    usage,
)
from shared.services.serving.routing import answer_fields, labels_of

BUFFERED = 64
"""Pieces that may wait for a slow caller."""

STALLED_S = 30.0
"""Seconds after which a caller who takes no piece has hung up."""

logger = logging.getLogger("whetstone.serving")

_reading: set["asyncio.Task[None]"] = set()
"""Keeps the tasks alive; the loop itself holds them only weakly."""


@dataclass(slots=True)
class _Answer:
    """A streamed answer on its way. `queue` carries the parts to the caller."""

    deps: Deps
    caller: Caller
    exchange: Exchange
    record: RoutingDecision
    pieces: AsyncGenerator[CompletionChunk, None]
    first: CompletionChunk
    started_s: float
    queue: "asyncio.Queue[StreamPart]" = field(default_factory=lambda: asyncio.Queue(BUFFERED))
    texts: list[str] = field(default_factory=list)


async def stream(
    deps: Deps, caller: Caller, command: CompleteRequest, key: IdempotencyKey | None
) -> AsyncGenerator[StreamPart, None]:
    """Returns the parts of an answer, once the first piece is there and the decision on record.

    Raises:
        InvalidInput: as `complete`; also with an Idempotency-Key, as a stream cannot be replayed.
        Unavailable: no model gave a first piece; the failure is on record.
    """
    if key is not None:
        detail = "cannot be used with stream: a streamed answer is not kept to be sent again"
        raise InvalidInput(detail, problems=[FieldProblem("Idempotency-Key", detail)])
    exchange = await begin(deps, caller, command)
    for model, provider, timeout_s in attempts(deps, exchange):
        started_s = deps.clock.monotonic_s()
        request = exchange.request(model)
        pieces = cast(
            "AsyncGenerator[CompletionChunk, None]", provider.stream(request, timeout_s=timeout_s)
        )
        try:
            first = await anext(pieces)
        except (Unavailable, InvalidInput) as error:
            exchange.failed(model, error, elapsed_ms(deps, started_s))
            continue
        record = exchange.answering(model)
        answer = _Answer(deps, caller, exchange, record, pieces, first, started_s)
        return await _opened(answer)
    await keep(deps, caller, exchange.exhausted())
    raise exchange.error()


async def _opened(answer: _Answer) -> AsyncGenerator[StreamPart, None]:
    try:
        labels = labels_of(answer.record, answer.exchange.decided)
        await keep(answer.deps, answer.caller, answer.record, ended=False, labels=labels)
    except WhetstoneError:
        await answer.pieces.aclose()
        raise
    reading = asyncio.get_running_loop().create_task(_read(answer))
    finishing = asyncio.get_running_loop().create_task(_finish(answer, reading))
    _reading.add(finishing)
    finishing.add_done_callback(_reading.discard)
    return _parts(answer, reading, finishing)


async def _parts(
    answer: _Answer, reading: "asyncio.Task[Completion]", finishing: "asyncio.Task[None]"
) -> AsyncGenerator[StreamPart, None]:
    """Yields the parts; where the caller stops listening, so does the reading."""
    try:
        fields = answer_fields(answer.record, answer.exchange.token)
        yield StreamStart(**fields, attempts=answer.record.attempts)
        while True:
            part = await answer.queue.get()
            yield part
            if not isinstance(part, StreamDelta):
                return
    finally:
        reading.cancel()
        while not answer.queue.empty():  # whoever still wants to put something in finds room
            answer.queue.get_nowait()
        await asyncio.wait({finishing})


async def _read(answer: _Answer) -> Completion:
    """Hands each piece on and returns the whole."""
    chunk = answer.first
    async with aclosing(answer.pieces):
        while chunk.completion is None:
            answer.texts.append(chunk.text)
            async with asyncio.timeout(STALLED_S):
                await answer.queue.put(StreamDelta(text=chunk.text))
            chunk = await anext(answer.pieces)
    return chunk.completion


async def _finish(answer: _Answer, reading: "asyncio.Task[Completion]") -> None:
    """Completes the record once the reading has ended, however it did, and then says so."""
    await asyncio.wait({reading})
    latency_ms = elapsed_ms(answer.deps, answer.started_s)
    error = None if reading.cancelled() else reading.exception()
    if reading.cancelled() or isinstance(error, TimeoutError):
        logger.info("stream.abandoned", extra={"request_id": answer.record.id})
        await _keep_end(answer, _so_far(answer, "client_disconnected"), latency_ms, failed=False)
    elif error is not None:
        detail = error.detail if isinstance(error, WhetstoneError) else "the answer broke off"
        logger.warning("stream.broken", extra={"request_id": answer.record.id}, exc_info=error)
        await _keep_end(answer, _so_far(answer, "error"), latency_ms, failed=True)
        await _say(answer, StreamError(request_id=answer.record.id, detail=detail))
    else:
        await _say(answer, await _keep_end(answer, reading.result(), latency_ms, failed=False))


async def _keep_end(
    answer: _Answer, completion: Completion, latency_ms: int, *, failed: bool
) -> StreamEnd | StreamError:
    record = settled(answer.exchange, answer.record, completion, latency_ms)
    try:
        await keep(answer.deps, answer.caller, record.model_copy(update={"failed": failed}))
    except WhetstoneError as error:
        facts = {"request_id": record.id, "detail": error.detail}
        logger.error("stream.not_settled", extra=facts)  # noqa: TRY400 - the detail says it all
        return StreamError(request_id=record.id, detail="its cost could not be recorded")
    return StreamEnd(
        request_id=record.id,
        usage=usage(completion),
        cost_usd=record.cost_usd,
        latency_ms=latency_ms,
        finish_reason=completion.finish_reason,
    )


async def _say(answer: _Answer, part: StreamEnd | StreamError) -> None:
    """Puts the last part into the queue, unless nobody takes anything out any more."""
    try:
        async with asyncio.timeout(STALLED_S):
            await answer.queue.put(part)
    except TimeoutError:
        logger.info("stream.abandoned", extra={"request_id": answer.record.id})


def _so_far(answer: _Answer, finish_reason: str) -> Completion:
    """Returns the part of an answer that came, its tokens estimated."""
    text = "".join(answer.texts)
    output_tokens = estimate_tokens(text) if text else 0
    input_tokens = answer.exchange.decided.tokens.input
    return Completion(text, finish_reason, input_tokens, output_tokens, estimated=True)
