"""Commands and answers of the serve function that choose a model and have it answer."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.config import JsonDict

from shared.domain.models import MAX_USD_PER_M
from shared.messages.base import Answer, Command, FilledText, Identifier, Name, Text

MAX_CANDIDATES = 100
MAX_MESSAGES = 500

_ROUTE_EXAMPLE: JsonDict = {
    "prompt": "Write a Python function that reverses a list.",
    "max_cost": 0.01,
}
_COMPLETE_EXAMPLE: JsonDict = {"prompt": "Name the capital of France.", "max_tokens": 50}

Cost = Annotated[float, Field(ge=0)]
UnitPrice = Annotated[float, Field(ge=0, le=MAX_USD_PER_M)]

PatternName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
"""A kind of prompt: one of the built-in ones, or a caller's own short name."""


def _no_slash(name: str) -> str:
    if "/" in name:
        msg = "must not contain a slash"
        raise ValueError(msg)
    return name


class Candidate(Command):
    """A model that may answer; both prices or none, and none means those of the catalogue."""

    provider: Annotated[Name, AfterValidator(_no_slash)]
    model: Name
    usd_per_m_input: UnitPrice | None = Field(
        default=None, description="USD per million input tokens."
    )
    usd_per_m_output: UnitPrice | None = Field(default=None, description="As above, output tokens.")


def _split(given: object) -> object:
    if not isinstance(given, str):
        return given
    provider, slash, model = given.partition("/")
    if not slash:
        msg = "must be provider/model, or an object with provider and model"
        raise ValueError(msg)
    return {"provider": provider, "model": model}


CandidateInput = Annotated[
    Candidate, BeforeValidator(_split, json_schema_input_type=str | Candidate)
]
"""A Candidate, or the text `provider/model`; the provider ends at the first slash."""


def _some(candidates: list[Candidate]) -> list[Candidate]:
    if not candidates:
        msg = "is empty: name the models that may answer, or leave it out for the whole catalogue"
        raise ValueError(msg)
    return candidates


class _Routed(Command):
    """What both route and complete may say about the choice of the model."""

    pattern: PatternName | None = Field(
        default=None, description="The kind of prompt; found from the prompt where left out."
    )
    candidates: Annotated[list[CandidateInput], AfterValidator(_some)] | None = Field(
        default=None,
        max_length=MAX_CANDIDATES,
        description="Models that may answer; the whole catalogue where left out.",
        json_schema_extra={"minItems": 1},
    )
    max_cost: Cost | None = Field(
        default=None, description="Most that this request may cost by estimate, in USD."
    )
    session_id: Identifier | None = Field(
        default=None, description="The conversation it belongs to; kept with the decision."
    )
    critical: bool = Field(default=False, description="True: never explore with this request.")


class RouteRequest(_Routed):
    """Ask which model should answer a prompt."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ROUTE_EXAMPLE]})

    prompt: FilledText = Field(description="What will be asked; it is not stored.")
    expected_output_tokens: int | None = Field(
        default=None, ge=1, le=1_000_000, description="Assumed length of the answer."
    )


class Turn(Command):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: Text


class CompleteRequest(_Routed):
    """Have a prompt answered by the model that routing chooses."""

    model_config = ConfigDict(json_schema_extra={"examples": [_COMPLETE_EXAMPLE]})

    prompt: FilledText | None = Field(default=None, description="Either this, or messages.")
    messages: list[Turn] | None = Field(
        default=None, min_length=1, max_length=MAX_MESSAGES, description="A whole conversation."
    )
    system: Text | None = Field(default=None, description="A system message to put in front.")
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1, le=1_000_000)
    stop: list[FilledText] | None = Field(default=None, min_length=1, max_length=4)
    stream: bool = Field(default=False, description="True: answer as server-sent events.")


class RouteAnswer(Answer):
    """Where a request goes, and why.

    `propensity` is the probability with which this choice was made, `explored` whether chance made
    it. `confidence` (0..1) is what the evidence proves of the model for this pattern, 0 where it
    has none. `snapshot_id` null means the configured default policy, `estimated_cost_usd` null
    that no price is known.
    """

    request_id: str
    provider: str
    model: str
    pattern: str
    complexity: float
    confidence: float
    explored: bool
    propensity: float
    snapshot_id: str | None
    reason: str
    estimated_cost_usd: float | None
    rating_token: str | None = None
    """Send it back with the rating, where the workspace asks for it; null where it does not."""


class Usage(Answer):
    """Tokens; `estimated` where the provider did not count them."""

    input_tokens: int
    output_tokens: int
    estimated: bool


class CompleteAnswer(RouteAnswer):
    """A model's answer. `latency_ms` and the cost are those of the model that answered.

    `attempts` above 1 means that earlier models failed: `provider` and `model` are then the
    fallback's, and `propensity` is 0, since chance had no part in it.
    """

    text: str
    usage: Usage
    cost_usd: float | None
    latency_ms: int
    attempts: int
    finish_reason: str


class Attempt(Answer):
    """A model that was asked and did not answer."""

    provider: str
    model: str
    error: str
    latency_ms: int


class StreamStart(RouteAnswer):
    """The first event of a streamed answer (`event: start`)."""

    event: ClassVar[str] = "start"
    attempts: int


class StreamDelta(Answer):
    """A piece of a streamed answer (`event: delta`)."""

    event: ClassVar[str] = "delta"
    text: str


class StreamEnd(Answer):
    """The last event of a whole streamed answer (`event: end`)."""

    event: ClassVar[str] = "end"
    request_id: str
    usage: Usage
    cost_usd: float | None
    latency_ms: int
    finish_reason: str


class StreamError(Answer):
    """The last event of a streamed answer that broke off (`event: error`)."""

    event: ClassVar[str] = "error"
    request_id: str
    detail: str


StreamPart = StreamStart | StreamDelta | StreamEnd | StreamError
