"""`whetstone` in small chunks, whose process is killed at the chunk that DIES_AT names.

DIES_AT=5 python -m tests.support.dying_backup backup --to PLACE
"""

import os
import signal

from shared.services.backup import chunks, restoring, taking

ROWS = 20


def main() -> None:
    """Runs the command line; a restore counts the chunks that it loads, a backup those it keeps."""
    left = [int(os.environ["DIES_AT"])]
    chunks.ROWS = taking.PAGE = ROWS
    taking.SAVED_EVERY_S = restoring.MARKED_EVERY_S = 0.0

    def dying(work):  # type: ignore[no-untyped-def]
        async def counted(*given):  # type: ignore[no-untyped-def]
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return await work(*given)

        return counted

    chunks.keep_chunk = dying(chunks.keep_chunk)
    restoring._put = dying(restoring._put)
    from shared.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
