"""A process that runs the training of a folder once it is told to: `FOLDER SEED [hold]`.

With `hold` it stops in the middle of its run, with the lease in hand and nothing written, until it
is told to go on. It tells on lines of its own: ready, holding, and how the run ended.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from tests.support.joining import join
from tests.support.learning import run
from tests.support.system import System


def tell_and_wait(word: str) -> None:
    print(word, flush=True)
    sys.stdin.readline()


def hold_at_first_object(system: System) -> None:
    """Lets the run stop before it writes its first object."""
    plain = system.deps.blobs.put

    async def put(*args: Any, **options: Any) -> int:
        system.deps.blobs.put = plain
        tell_and_wait("holding")
        return await plain(*args, **options)

    system.deps.blobs.put = put


async def main(root: Path, seed: int, *, hold: bool) -> None:
    async with System(root, seed=seed) as system:
        if hold:
            hold_at_first_object(system)
        tell_and_wait("ready")
        done = await run(system)
        print(json.dumps(done.model_dump(mode="json")), flush=True)


if __name__ == "__main__":
    join()
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), hold=sys.argv[3:] == ["hold"]))
