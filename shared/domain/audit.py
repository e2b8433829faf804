"""The audit log: who did what to what, when and why, hash-chained within its workspace.

Each record's hash covers its own content and the hash before it, so that a record that was changed,
removed or put in later breaks the chain from there on. The content is hashed as JSON with the keys
of `data` in the order in which they were written; a store keeps that order.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import JsonValue
from pydantic_core import to_json

from shared.domain.times import Timestamp

GENESIS = "0" * 64
"""The hash before the first record."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What a transaction wants recorded; the store gives it its place in the chain.

    Args:
        actor: the credential's subject.
        action: `noun.verb_in_past_tense`, for example `entry.approved`.
        subject: the id of what was changed.
        at: when.
        data: small facts that explain the change; never a secret, never content.
    """

    actor: str
    action: str
    subject: str
    at: Timestamp
    data: dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One link.

    `seq` counts from 1 without gaps, `hash` = SHA-256 over `previous_hash` and the rest.
    """

    workspace: str
    seq: int
    at: Timestamp
    actor: str
    action: str
    subject: str
    data: dict[str, JsonValue]
    previous_hash: str
    hash: str


def link(workspace: str, seq: int, previous_hash: str, entry: AuditEntry) -> AuditRecord:
    """Returns `entry` as link number `seq` behind the link with `previous_hash`."""
    parts = (workspace, seq, entry.at, entry.actor, entry.action, entry.subject, entry.data)
    return AuditRecord(*parts, previous_hash, _hash(previous_hash, *parts))


@dataclass(slots=True)
class ChainCheck:
    """Walks a chain in order.

    `first_broken` is the seq of the first link that does not hold, None while all hold.
    """

    checked: int = 0
    head: str = GENESIS
    first_broken: int | None = None

    def feed(self, records: Iterable[AuditRecord]) -> None:
        """Checks the next links; stops at the first broken one."""
        for record in records:
            if self.first_broken is not None:
                return
            holds = (
                record.seq == self.checked + 1
                and record.previous_hash == self.head
                and record.hash == _hash_of(record)
            )
            if not holds:
                self.first_broken = self.checked + 1
                return
            self.checked += 1
            self.head = record.hash


def _hash_of(record: AuditRecord) -> str:
    return _hash(
        record.previous_hash,
        record.workspace,
        record.seq,
        record.at,
        record.actor,
        record.action,
        record.subject,
        record.data,
    )


def _hash(previous_hash: str, *parts: object) -> str:
    return hashlib.sha256(previous_hash.encode() + to_json(parts)).hexdigest()
