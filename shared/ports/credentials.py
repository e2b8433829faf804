"""Keys that others keep or sign with."""

from collections.abc import Mapping
from typing import Protocol

from pydantic import JsonValue

from shared.domain.secrets import SecretReference


class SigningKeys(Protocol):
    """The public keys of whoever signs the tokens of Google's service accounts."""

    async def get(self, key_id: str) -> Mapping[str, JsonValue] | None:
        """Returns a key as a JWK (RFC 7517), None where the signer has none of that id.

        Raises:
            Unavailable: the signer does not answer, and what it said before is too old.
        """

    async def close(self) -> None:
        """Lets go of connections."""


class Secrets(Protocol):
    """Where secrets are kept that settings name by reference."""

    def read(self, reference: SecretReference) -> str:
        """Returns a secret as it is now.

        Blocks: settings need it before anything runs, later it is read in a thread.

        Raises:
            InvalidInput: the reference cannot be one.
            NotFound: there is no such secret or version.
            Unavailable: no answer, no permission, or the version is disabled.
            CorruptData: what came does not match its checksum.
        """
