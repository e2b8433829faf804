"""Secrets as this process knows them: read once at the start, then again as they grow old.

The invariant: who asks for a secret never waits. A value older than its time is answered once more
while a thread asks anew, so a rotation is noticed at the second use after that time; where a
process gets no processor between requests the thread goes on with the next one. What cannot be read
again stays as it was.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from shared.domain.secrets import Secret, SecretReference, is_reference, parse_reference
from shared.errors import InvalidInput, WhetstoneError
from shared.ports import Clock, Secrets

TTL_S = 300.0
"""Seconds that a value is believed."""

_log = logging.getLogger(__name__)

Start = Callable[[Callable[[], None]], object]
"""Runs something elsewhere, soon."""


def _in_a_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="secrets", daemon=True).start()


@dataclass(slots=True)
class _Known:
    value: str
    asked_at: float
    asking: bool = False


class SecretVault:
    """Turns settings into secrets.

    Args:
        source: reads references; None where secrets are in the settings themselves.
        clock: tells how old a value is.
        ttl_s: seconds after which a value is read again, and a failed reading tried again.
        start: runs the reading; in a thread where not given.
    """

    def __init__(
        self,
        source: Secrets | None,
        clock: Clock,
        *,
        ttl_s: float = TTL_S,
        start: Start = _in_a_thread,
    ) -> None:
        self._source = source
        self._clock = clock
        self._ttl_s = ttl_s
        self._start = start
        self._known: dict[SecretReference, _Known] = {}
        self._lock = threading.Lock()

    def secret(self, setting: str) -> Secret:
        """Returns the secret that a setting holds or names; one that it names is read now.

        Blocks while it reads: for the start, not for a request.

        Raises:
            InvalidInput: the setting names a secret badly, or nothing here reads references.
            NotFound: there is no such secret or version.
            Unavailable: it cannot be read.
            CorruptData: it does not match its checksum.
        """
        if not is_reference(setting):
            return lambda: setting
        reference = parse_reference(setting)
        if self._source is None:
            raise InvalidInput(
                f"the setting {setting!r} names a secret; set secrets to secret_manager to read it"
            )
        if reference not in self._known:
            self._keep(reference, self._source.read(reference))
        return lambda: self._current(reference)

    def _current(self, reference: SecretReference) -> str:
        with self._lock:
            known = self._known[reference]
            old = self._clock.monotonic_s() - known.asked_at >= self._ttl_s
            due = old and not reference.pinned and not known.asking
            if due:
                known.asking = True
            value = known.value
        if due:
            self._start(lambda: self._read_again(reference))
        return value

    def _read_again(self, reference: SecretReference) -> None:
        value = None
        try:
            assert self._source is not None  # noqa: S101 - there is no reference without one
            value = self._source.read(reference)
        except WhetstoneError as error:
            _log.warning(
                "secret_not_refreshed",
                extra={"secret": reference.name, "reason": error.detail},
            )
        finally:
            self._keep(reference, value)

    def _keep(self, reference: SecretReference, value: str | None) -> None:
        """Remembers what was read, and when; None leaves the value before."""
        now = self._clock.monotonic_s()
        with self._lock:
            kept = self._known[reference].value if value is None else value
            self._known[reference] = _Known(kept, now)
