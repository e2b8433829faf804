"""Secrets by reference: a setting may name a secret that is kept elsewhere instead of holding it.

    secret://smtp-password                        the newest version, in the project that runs
    secret://smtp-password/versions/3             this version, which never changes
    projects/p/secrets/smtp-password/versions/3   the same in another project

A setting that looks like none of these is the value itself.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from shared.errors import InvalidInput

LATEST = "latest"
SCHEME = "secret://"

Secret = Callable[[], str]
"""Returns a secret as it is now, at once; asked at each use, so that a rotation is noticed."""

_REFERENCE = re.compile(
    r"(?:secret://|projects/(?P<project>[a-z0-9:.-]+)/secrets/)"
    r"(?P<name>[^/]*)(?:/versions/(?P<version>[^/]*))?"
)
_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
_VERSION = re.compile(r"latest|[1-9][0-9]{0,17}")


@dataclass(frozen=True, slots=True)
class SecretReference:
    """A version of a secret; `project` None means the one that runs."""

    name: str
    version: str = LATEST
    project: str | None = None

    @property
    def pinned(self) -> bool:
        """Tells whether it names one version, whose value never changes."""
        return self.version != LATEST


def is_reference(text: str) -> bool:
    """Tells whether a setting names a secret, well or badly, instead of holding it."""
    return text.startswith(SCHEME) or _REFERENCE.fullmatch(text) is not None


def parse_reference(text: str) -> SecretReference:
    """Returns the reference that a setting holds.

    Raises:
        InvalidInput: it starts like one and is none. The text is repeated: it is no secret.
    """
    match = _REFERENCE.fullmatch(text)
    found = match.groupdict() if match else {}
    name, version = found.get("name") or "", found.get("version")
    version = version if version is not None else LATEST
    if not _NAME.fullmatch(name) or not _VERSION.fullmatch(version):
        raise InvalidInput(
            f"{text!r} names no secret: write secret://name or secret://name/versions/3"
        )
    return SecretReference(name, version, found.get("project"))


def value_of(secret: str | Secret) -> str:
    """Returns the secret as it is now, whether it was given itself or may change."""
    return secret if isinstance(secret, str) else secret()
