"""A secret in a file: made at its first use, and the same for every process from then on."""

import contextlib
import os
import secrets
import tempfile
from pathlib import Path

from shared.errors import CorruptData

_RANDOM_BYTES = 48
_LEAST_LENGTH = 32


def kept_secret(path: Path) -> str:
    """Returns the secret that the file holds, after making one where there is none.

    The file appears whole or not at all, readable by its owner only; of processes that start
    together, all get the secret of the first.

    Raises:
        CorruptData: what the file holds is too short to sign with, as a file cut off would be.
    """
    if not path.exists():
        _make(path)
    secret = path.read_text("utf-8").strip()
    if len(secret) < _LEAST_LENGTH:
        raise CorruptData(
            f"the secret in {path} has fewer than {_LEAST_LENGTH} characters;"
            " delete the file, and a new one is made"
        )
    return secret


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, encoding="utf-8") as file:
        file.write(secrets.token_urlsafe(_RANDOM_BYTES))
        file.flush()
        os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(file.name)
