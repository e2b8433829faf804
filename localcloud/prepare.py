"""Makes what Terraform makes on Google Cloud, and the way in: `python -m localcloud.prepare URL`.

Topics, subscriptions that push to the URL, the workspace `default` and its first admin key, which
is printed where it was made now.

The subscriptions leave the pauses between tries to the emulator, which makes them a second long.
With a retry policy it loses messages (0.8.20): where two that failed are due in the same
millisecond, the timer of their subscription dies, and neither they nor any that fails later come
again. tests/contract/test_pubsub_emulator.py holds what is relied on instead.
"""

import asyncio
import sys

from localcloud.plan import ACCOUNT, AUDIENCE
from shared import bootstrap
from shared.adapters.pubsub_setup import ensure_topology
from shared.adapters.pubsub_topology import RECORDER, consumers, topology
from shared.services import access


async def prepare(push_to: str) -> str | None:
    """Returns the first admin key where it was made now."""
    settings, deps = bootstrap.settings(), bootstrap.deps()
    wanted = topology(
        prefix=settings.gcp.topic_prefix,
        attempts=settings.events.attempts,
        first_backoff_s=None,
    )
    try:
        await ensure_topology(
            settings.gcp.project or "",
            wanted,
            dict.fromkeys([*consumers(), RECORDER], push_to),
            account=ACCOUNT,
            audience=AUDIENCE,
        )
        return await access.bootstrap_access(deps, bootstrap.bootstrap_key())
    finally:
        await deps.close()


if __name__ == "__main__":
    made = asyncio.run(prepare(sys.argv[1]))
    print(made or "")
