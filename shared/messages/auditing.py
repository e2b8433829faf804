"""Questions to the audit log, and its answers."""

from pydantic import Field, JsonValue

from shared.domain.times import Timestamp
from shared.messages.base import Answer, Identifier, PageParams


class AuditParams(PageParams):
    """Which audit records to list."""

    action: Identifier | None = Field(
        default=None, description="Of this action, for example entry.approved."
    )
    subject: Identifier | None = Field(default=None, description="About this id.")
    actor: Identifier | None = Field(default=None, description="By this credential's subject.")


class AuditView(Answer):
    """One audit record; `hash` covers it and `previous_hash`."""

    seq: int
    at: Timestamp
    actor: str
    action: str
    subject: str
    data: dict[str, JsonValue]
    previous_hash: str
    hash: str


class AuditVerified(Answer):
    """The chain checked from its first record.

    `first_broken` is the seq of the first record that does not hold, null where all hold. `head` is
    the hash of the last record that holds: keep it elsewhere to find out whether the end was cut.
    """

    ok: bool
    checked: int
    first_broken: int | None
    head: str
