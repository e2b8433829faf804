"""The rows of the evidence logs, as SQL that SQLite and PostgreSQL both read, and back."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from shared.domain.feedback import Evidence, OutcomeEvidence, PromptEvidence, RatingEvidence
from shared.ports import EvidenceKind, EvidenceRow

KINDS: Mapping[EvidenceKind, type[Evidence]] = {
    "ratings": RatingEvidence,
    "outcomes": OutcomeEvidence,
    "prompts": PromptEvidence,
}
"""What a row of each log is."""


def select(kind: EvidenceKind, mark: str) -> str:
    """Returns the statement that reads rows in order.

    Parameters: the workspace, the place after which they begin, and how many.
    """
    names = ", ".join(one.name for one in fields(KINDS[kind]))
    return (
        f"SELECT seq, {names} FROM evidence_{kind} WHERE workspace = {mark} AND seq > {mark}"  # noqa: S608
        f" ORDER BY seq LIMIT {mark}"
    )


def evidence_rows(
    workspace: str, kind: EvidenceKind, rows: Iterable[tuple[Any, ...]]
) -> list[EvidenceRow]:
    """Returns what that statement has found."""
    return [EvidenceRow(workspace, seq, KINDS[kind](*values)) for seq, *values in rows]
