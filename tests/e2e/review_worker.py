"""One reviewer in a process of its own, for races on one store.

    python -m tests.e2e.review_worker FOLDER REVIEWER decide|claim < entry ids, one a line

Prints `ready`, waits for a line, then handles all entries and prints what came of each as JSON.
"""

import asyncio
import json
import sys
import zlib
from pathlib import Path

from shared.errors import Conflict
from shared.messages.reviewing import Approve, ClaimEntry
from shared.services import claiming, reviewing
from tests.support.joining import join
from tests.support.system import System, caller

AT_ONCE = 4


async def main(root: Path, reviewer: str, action: str) -> None:
    """Handles the entries of the first input line, once the second one comes."""
    ids = json.loads(sys.stdin.readline())
    me = caller(reviewer, role="reviewer")
    gate = asyncio.Semaphore(AT_ONCE)
    async with System(root, seed=zlib.crc32(reviewer.encode())) as system:

        async def handle(entry_id: str) -> dict[str, object]:
            async with gate:
                try:
                    if action == "claim":
                        command = ClaimEntry()
                        won = await claiming.claim(system.deps, me, entry_id, command, None)
                    else:
                        won = await reviewing.decide(
                            system.deps,
                            me,
                            entry_id,
                            Approve(),
                            None,
                            verdict="approve",
                            notes=reviewer,
                        )
                except Conflict as error:
                    return {"lost_to": error.facts.get("decision") or error.facts.get("claim")}
                return {"won": won.model_dump(mode="json")}

        print("ready", flush=True)
        sys.stdin.readline()
        results = await asyncio.gather(*(handle(entry_id) for entry_id in ids))
        print(json.dumps(results), flush=True)


if __name__ == "__main__":
    join()
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
