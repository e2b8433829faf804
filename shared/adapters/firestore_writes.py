"""The writes of a commit, and the names of what lies beside the records of the collections."""

import secrets
from collections.abc import Mapping

from google.cloud.firestore_v1.types import common, write

from shared.adapters.firestore_client import FirestoreClient
from shared.adapters.firestore_values import Pb, encode

LANES = 8
"""Parts of the outbox: an index that only grows at its end takes about 500 writes a second."""

AUDIT, RATINGS, OUTCOMES = "audit_log", "evidence_ratings", "evidence_outcomes"
PROMPTS = "evidence_prompts"
COUNTERS, OUTBOX = "counters", "outbox"
PENDING, PENDING_AT = "pending", "pending_at"
"""Of a row that has no place in its log yet: `true`, and when it was committed."""

Write = write.Write.pb()
_Precondition = common.Precondition.pb()
_SERVER_TIME = int(write.DocumentTransform.FieldTransform.ServerValue.REQUEST_TIME)


def counter_write(
    client: FirestoreClient, workspace: str, counter: str, sums: Mapping[str, int], shards: int
) -> Pb:
    """Returns what adds to one shard, chosen by chance: a document takes one write a second."""
    shard = f"{counter}:{secrets.randbelow(shards)}"
    name = client.name(workspace, COUNTERS, shard)
    made = Write()
    made.update.name = name
    made.update.fields["name"].CopyFrom(encode(counter))
    made.update_mask.field_paths.append("name")
    for key, amount in sums.items():
        made.update_transforms.add(field_path=f"sums.{quoted(key)}", increment=encode(amount))
    return made


def quoted(key: str) -> str:
    """Returns a key of a map as a part of a field path; no key is reserved behind its mark."""
    escaped = key.replace("\\", "\\\\").replace("`", "\\`")
    return f"`={escaped}`"


def stamped(name: str, values: Mapping[str, Pb], moment: str) -> Pb:
    """Returns the write of a new document, with the time of its commit in the field `moment`."""
    made = Write(current_document=_Precondition(exists=False))
    made.update.name = name
    for key, value in values.items():
        made.update.fields[key].CopyFrom(value)
    made.update_transforms.add(field_path=moment, set_to_server_value=_SERVER_TIME)
    return made
