"""From any text to an FTS5 query: words without stop words, each quoted, joined by OR.

Quoting makes every text legal: what FTS5 takes for an operator or a column is only ever a word
here.
"""

import re

OR = " OR "
"""Stands between the words of a query, and in none of them."""

MAX_TERMS = 64
"""Distinct words of a query that are searched, the first ones; more add time and little else."""

_WORD = re.compile(r"[^\W_]+")

STOP_WORDS = frozenset(
    (
        "a about above after again all also am an and any are as at be because been before being "
        "below between both but by can cannot could did do does doing down during each either few "
        "for from further had has have having he her here hers herself him himself his how i if "
        "in into is it its itself just may me might more most must my myself neither no nor not "
        "now of off on once only or other our ours ourselves out over own per same shall she "
        "should so some such than that the their theirs them themselves then there these they "
        "this those through thus to too under until up upon us very via was we were what when "
        "where whether which while who whom why will with within without would you your yours "
        "yourself yourselves "
    ).split()
)
"""English words that say nothing about a subject."""


def match_query(text: str) -> str:
    """Returns the FTS5 query for `text`, empty where no word is left to search for."""
    words = dict.fromkeys(_WORD.findall(text.lower()))
    terms = [word for word in words if word not in STOP_WORDS]
    return OR.join(f'"{term}"' for term in terms[:MAX_TERMS])
