"""Access tokens of the account that this process runs as, for Google's plain HTTP APIs."""

import asyncio
import threading
from typing import TYPE_CHECKING

from shared.errors import Unavailable

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)


class GoogleToken:
    """The token of the application default credentials, fetched when first asked for, then kept.

    What it does takes the network and files, and so runs in a thread.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._credentials: Credentials | None = None

    async def get(self, *, renewed: bool = False) -> str:
        """Returns a token that is good for some minutes.

        Args:
            renewed: whether the one given out last was refused.

        Raises:
            Unavailable: there are no credentials, or they cannot be renewed now.
        """
        return await asyncio.to_thread(self._get, renewed=renewed)

    def _get(self, *, renewed: bool) -> str:
        import google.auth  # noqa: PLC0415 - slow to load, and not every process needs it
        from google.auth.credentials import TokenState  # noqa: PLC0415 - as above
        from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415 - as above
        from google.auth.transport.requests import Request  # noqa: PLC0415 - as above

        with self._guard:
            try:
                if self._credentials is None:
                    self._credentials, _ = google.auth.default(scopes=_SCOPES)
                if renewed or self._credentials.token_state is not TokenState.FRESH:
                    self._credentials.refresh(Request())
            except GoogleAuthError as error:
                raise Unavailable(
                    f"there is no access token of this account: {type(error).__name__}"
                ) from None
            return str(self._credentials.token)
