"""What a key of the blobs port may be, the same for every adapter."""

import re

from shared.errors import InvalidInput

MAX_KEY_LENGTH = 900
MAX_PART_LENGTH = 200
_KEY = re.compile(r"[A-Za-z0-9._:-]+(?:/[A-Za-z0-9._:-]+)*")
_PREFIX = re.compile(r"[A-Za-z0-9._:/-]*")


def check_key(key: str) -> None:
    """Lets a good key pass.

    Raises:
        InvalidInput: the key is too long, or has a character or a part that not every adapter
            could hold.
    """
    parts = key.split("/")
    if len(key) > MAX_KEY_LENGTH or max(map(len, parts)) > MAX_PART_LENGTH:
        raise InvalidInput(
            f"a key has at most {MAX_KEY_LENGTH} characters, {MAX_PART_LENGTH} between slashes"
        )
    if not _KEY.fullmatch(key) or "." in parts or ".." in parts:
        raise InvalidInput("a key is made of letters, digits and . _ - : between single slashes")


def may_start_a_key(prefix: str) -> bool:
    """Tells whether a key could start so, going by its characters."""
    return _PREFIX.fullmatch(prefix) is not None
