"""Entries for tests that review or publish them."""

from typing import Any

from shared.messages.submitting import ReviseEntry, SubmitEntry
from shared.services import submitting
from tests.support.system import System, caller

MODEL = caller("key:model", scopes=("submit",))


def words(number: int) -> str:
    """Returns a text that no other number's is a near duplicate of."""
    return " ".join(f"word{number}x{at}" for at in range(8))


async def submit(system: System, number: int = 0, **changes: Any) -> str:
    """Submits an entry as the machine `MODEL` and returns its id."""
    fields = {"topic": "billing", "content": words(number), "confidence_score": 0.9, **changes}
    answer = await submitting.submit_entry(system.deps, MODEL, SubmitEntry(**fields), None)
    return answer.entry_id


async def revise(system: System, entry_id: str, number: int, **changes: Any) -> int:
    """Submits the next revision of an entry and returns its number."""
    fields = {"topic": "billing", "content": words(number), "confidence_score": 0.9, **changes}
    answer = await submitting.revise_entry(
        system.deps, MODEL, entry_id, ReviseEntry(**fields), None
    )
    return answer.revision
