"""The models that requests may be routed to, and what they cost."""

from dataclasses import dataclass

NANO_PER_USD = 1_000_000_000

MAX_USD_PER_M = 10_000.0
"""US dollars per million tokens that a price may be, at most: many times what any model costs.

With `MAX_TOKENS` it keeps sums of costs, in whole nano-dollars, within 64 bits.
"""

MAX_TOKENS = 10_000_000
"""Tokens of one prompt or one answer that are believed, at most."""


@dataclass(frozen=True, slots=True, order=True)
class ModelKey:
    """A model of a provider."""

    provider: str
    model: str


@dataclass(frozen=True, slots=True)
class Price:
    """List price in US dollars per million tokens."""

    usd_per_m_input: float
    usd_per_m_output: float

    def cost_usd(self, input_tokens: int, output_tokens: int) -> float:
        """Returns what a request with these tokens costs, in US dollars."""
        usd_per_m = input_tokens * self.usd_per_m_input + output_tokens * self.usd_per_m_output
        return usd_per_m / 1_000_000


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Every configured model with its price, in the order of the configuration."""

    prices: dict[ModelKey, Price]

    @property
    def models(self) -> tuple[ModelKey, ...]:
        """The models, in the order of the configuration."""
        return tuple(self.prices)


CHARACTERS_PER_TOKEN = 4
"""The usual rule of thumb for English."""


def estimate_tokens(text: str) -> int:
    """Returns about how many tokens a text has, at least 1."""
    return max(1, len(text) // CHARACTERS_PER_TOKEN)
