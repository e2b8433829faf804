"""Verdicts on answers that several people rated: was it right, when they do not agree?

The log's ratings are votes, right or wrong, weighed by what each person gets right elsewhere
(crowd). Read only: what is learned counts each rating by itself, whatever the verdict is.
Invariant: memory grows with the answers among the last ratings that were read, not with the log.
"""

from collections import defaultdict
from collections.abc import AsyncIterator

from shared.domain.feedback import RatingEvidence
from shared.domain.learning.crowd import Vote
from shared.services.deps import Deps

RIGHT, WRONG = "right", "wrong"
_PAGE = 500
_SEVERAL = 2


async def votes_on_answers(deps: Deps, workspace: str, last: int) -> list[Vote]:
    """Returns the standing ratings of answers that two people or more have rated, as votes.

    The item is the answer's request id, the label `right` or `wrong`. Whoever rated an answer anew
    votes as he did last; ratings that count for nothing are no votes.

    Args:
        deps: what is read with.
        workspace: whose log.
        last: how many ratings at the end of the log are read, at most.
    """
    answers: dict[str, dict[str, str]] = defaultdict(dict)
    async for row in _last_ratings(deps, workspace, last):
        votes = answers[row.request_id]
        if row.sign > 0 and row.standing > 0:
            votes[row.rater] = RIGHT if row.correct else WRONG
        else:
            votes.pop(row.rater, None)
    return [
        Vote(request_id, rater, label)
        for request_id, votes in answers.items()
        if len(votes) >= _SEVERAL
        for rater, label in votes.items()
    ]


async def _last_ratings(deps: Deps, workspace: str, last: int) -> AsyncIterator[RatingEvidence]:
    """Yields the ratings at the end of the log, oldest first, those that take one back as well."""
    end, _ = await deps.analytics.head(workspace)
    place = max(0, end - last)
    while place < end:
        rows = await deps.evidence_log.rows(workspace, "ratings", place, _PAGE)
        if not rows:
            return
        for row in rows:
            if isinstance(row.evidence, RatingEvidence):
                yield row.evidence
        place = rows[-1].seq
