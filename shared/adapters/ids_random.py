"""Ids, secrets and random numbers from the machine: the ids port wherever the system runs for real.

Two processes never share a sequence, also where one was forked from the other.
"""

import os
import random
import secrets

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_LETTER_OF_BYTE = bytes(ord(_CROCKFORD[byte % 32]) for byte in range(256))
_TAIL_LENGTH = 20
_SECRET_BYTES = 32


class RandomIds:
    """`Ids` in lower-case Crockford base 32 (no i, l, o, u), from the kernel's randomness."""

    def __init__(self) -> None:
        self._seed()

    def new(self, prefix: str) -> str:
        return f"{prefix}_{os.urandom(_TAIL_LENGTH).translate(_LETTER_OF_BYTE).decode()}"

    def secret(self) -> str:
        return secrets.token_urlsafe(_SECRET_BYTES)

    def uniform(self) -> float:
        if os.getpid() != self._pid:
            self._seed()
        return self._generator.random()

    def _seed(self) -> None:
        self._generator = random.Random(secrets.randbits(256))  # noqa: S311 - secrets come from `secret`
        self._pid = os.getpid()
