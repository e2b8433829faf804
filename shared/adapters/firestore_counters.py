"""Counters on Firestore: each is the sum of its shards, a change adds to one, unread."""

from shared.adapters.firestore_client import FirestoreClient
from shared.adapters.firestore_queries import structured
from shared.adapters.firestore_values import decode_fields
from shared.adapters.firestore_writes import COUNTERS

LAST = "\U0010ffff"
"""Sorts behind every other character."""


async def read_counters(
    client: FirestoreClient, workspace: str, first: str, last: str
) -> dict[str, dict[str, int]]:
    """Returns the counters from one name to another, in order of name and field."""
    names = [("name", ">=", first), ("name", "<=", last)]
    query = structured(COUNTERS, names, [("name", False)])
    reading = await client.query(client.parent(workspace), query)
    sums: dict[str, dict[str, int]] = {}
    for shard in reading.found.values():
        fields = decode_fields(shard.fields)
        counter = sums.setdefault(fields["name"], {})
        for marked, amount in fields.get("sums", {}).items():
            field = marked.removeprefix("=")
            counter[field] = counter.get(field, 0) + amount
    return {name: dict(sorted(sums[name].items())) for name in sorted(sums)}
