"""The sums over the evidence log, as SQL that SQLite and PostgreSQL both read.

`?` marks a parameter: the workspace, then the range of positions (exclusive, inclusive).
"""

from shared.domain.learning.sums import MAX_COST

_RANGE = "workspace = ? AND seq > ? AND seq <= ?"


def _sum(what: str) -> str:
    """Returns the sum as a whole number: PostgreSQL's is a decimal."""
    return f"CAST(SUM({what}) AS BIGINT)"


_WEIGHTED = "CASE WHEN weight > 0 THEN sign ELSE 0 END"
_COST = f"CASE WHEN cost_nanousd < {MAX_COST} THEN cost_nanousd ELSE {MAX_COST} END"
_MICRO = f"({_COST}) / 1000"
RATINGS = f"""
SELECT pattern, provider, model, cell, MAX(day), {_sum("sign")}, {_sum("sign * quality")},
       {_sum("sign * quality * quality")}, {_sum("sign * correct")}, {_sum("sign * cost_nanousd")},
       {_sum("sign * costed")}, {_sum("sign * latency_ms")}, {_sum("sign * timed")},
       {_sum("sign * input_tokens")}, {_sum("sign * output_tokens")}, {_sum("sign * tokened")},
       {_sum(_WEIGHTED)}, {_sum("sign * weight")}, {_sum("sign * weight * quality")},
       {_sum("sign * weight * correct")}, {_sum(f"sign * weight * ({_COST})")},
       {_sum("sign * weight * costed")}, standing, epoch, bundle
FROM evidence_ratings WHERE {_RANGE} AND standing > 0
GROUP BY day / {{days}}, pattern, provider, model, cell, standing, epoch, bundle
ORDER BY day / {{days}}, pattern, provider, model, cell, standing, epoch, bundle
"""
"""`{days}` are the days of a step, a whole number.

The step comes first: rows lie in order of time, so most comparisons of a sort end there, and a
number is compared faster than a text.
"""

QUALITY = f"""
SELECT snapshot_id, {_sum("sign")}, {_sum("sign * quality")}, {_sum("sign * quality * quality")},
       {_sum("sign * correct")}
FROM evidence_ratings WHERE {_RANGE} AND standing > 0 GROUP BY snapshot_id ORDER BY snapshot_id
"""

ARMS = f"""
SELECT arm, quality, correct, {_sum("sign")}, {_sum("sign * cost_nanousd")},
       {_sum("sign * costed")}, {_sum(f"sign * ({_MICRO}) * ({_MICRO})")},
       {_sum("sign * latency_ms")}, {_sum("sign * timed")}, {_sum("sign * latency_ms * latency_ms")}
FROM evidence_ratings WHERE {_RANGE} AND standing > 0 AND arm <> ''
GROUP BY arm, quality, correct ORDER BY arm, quality, correct
"""

_OFFSET = "(second % 86400)"
_EARNED = "CASE WHEN completed = 1 AND points > 0 THEN second END"
_BAND = "CASE WHEN confidence_millis < 1000 THEN confidence_millis / 100 ELSE 9 END"
OUTCOMES = f"""
SELECT agent_id, recommendation_type, agreed, confident, {_BAND} AS band, evaluator, day,
       COUNT(*), {_sum("completed")},
       {_sum("completed * points")}, {_sum("completed * points * points")},
       {_sum("completed * quality")}, {_sum("completed * quality * quality")},
       {_sum("completed * timely")}, {_sum("completed * confidence_millis")},
       {_sum("completed * ease_millis")},
       {_sum(f"completed * {_OFFSET}")}, {_sum(f"completed * {_OFFSET} * {_OFFSET}")},
       {_sum(f"completed * {_OFFSET} * points")},
       COALESCE(MIN({_EARNED}), 0), COALESCE(MAX({_EARNED}), 0)
FROM evidence_outcomes WHERE {_RANGE}
GROUP BY agent_id, recommendation_type, agreed, confident, band, evaluator, day
ORDER BY agent_id, recommendation_type, agreed, confident, band, evaluator, day
"""

HEAD = """
SELECT (SELECT COALESCE(MAX(seq), 0) FROM evidence_ratings WHERE workspace = ?),
       (SELECT COALESCE(MAX(seq), 0) FROM evidence_outcomes WHERE workspace = ?)
"""
