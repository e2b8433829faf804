"""Ids and random numbers that are the same in each run of a test."""

import random

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"


class SeededIds:
    """`Ids` from a seed; equal seeds give equal sequences."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)

    def new(self, prefix: str) -> str:
        return f"{prefix}_{''.join(self._random.choices(_CROCKFORD, k=20))}"

    def secret(self) -> str:
        return f"{self._random.getrandbits(256):064x}"

    def uniform(self) -> float:
        return self._random.random()
