"""Two rankings of the same documents made one, by rank alone.

Scores of words and of meaning do not compare, ranks do.
"""

from collections.abc import Sequence

RANK_OFFSET = 60
"""The k of the formula: how little it matters to be first instead of second. 60 is what Cormack,
Clarke and Büttcher found to be good over many collections: "Reciprocal Rank Fusion outperforms
Condorcet and individual rank learning methods", SIGIR 2009.
"""


def fused(rankings: Sequence[Sequence[int]]) -> list[tuple[int, float]]:
    """Returns every document with its score, best first, the smaller number first among equals.

    The score is the sum of 1 / (60 + rank) over the rankings that have the document, ranks counted
    from 1: above 0, and at most (number of rankings) / 61.

    Args:
        rankings: documents by number, best first, each at most once in a ranking.
    """
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, document in enumerate(ranking, start=1):
            scores[document] = scores.get(document, 0.0) + 1 / (RANK_OFFSET + rank)
    return sorted(scores.items(), key=lambda scored: (-scored[1], scored[0]))
