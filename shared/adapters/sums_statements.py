"""The sums over the evidence log, as SQL that SQLite and PostgreSQL both read.

`?` marks a parameter: the workspace, then the range of positions (exclusive, inclusive).
"""

_RANGE = "workspace = ? AND seq > ? AND seq <= ?"


def _sum(what: str) -> str:
    """Returns the sum as a whole number: PostgreSQL's is a decimal."""
    return f"CAST(SUM({what}) AS BIGINT)"


RATINGS = f"""
SELECT pattern, provider, model, day, {_sum("sign")}, {_sum("sign * quality")},
       {_sum("sign * quality * quality")}, {_sum("sign * correct")}, {_sum("sign * cost_nanousd")},
       {_sum("sign * costed")}, {_sum("sign * latency_ms")}, {_sum("sign * timed")}
FROM evidence_ratings WHERE {_RANGE}
GROUP BY pattern, provider, model, day
ORDER BY pattern, provider, model, day
"""

QUALITY = f"""
SELECT snapshot_id, {_sum("sign")}, {_sum("sign * quality")}, {_sum("sign * quality * quality")},
       {_sum("sign * correct")}
FROM evidence_ratings WHERE {_RANGE} GROUP BY snapshot_id ORDER BY snapshot_id
"""

_OFFSET = "(second % 86400)"
_EARNED = "CASE WHEN completed = 1 AND points > 0 THEN second END"
OUTCOMES = f"""
SELECT agent_id, recommendation_type, agreed, confident, day, COUNT(*), {_sum("completed")},
       {_sum("completed * points")}, {_sum("completed * points * points")},
       {_sum("completed * quality")}, {_sum("completed * quality * quality")},
       {_sum("completed * timely")}, {_sum("completed * confidence_millis")},
       {_sum(f"completed * {_OFFSET}")}, {_sum(f"completed * {_OFFSET} * {_OFFSET}")},
       {_sum(f"completed * {_OFFSET} * points")},
       COALESCE(MIN({_EARNED}), 0), COALESCE(MAX({_EARNED}), 0)
FROM evidence_outcomes WHERE {_RANGE}
GROUP BY agent_id, recommendation_type, agreed, confident, day
ORDER BY agent_id, recommendation_type, agreed, confident, day
"""

HEAD = """
SELECT (SELECT COALESCE(MAX(seq), 0) FROM evidence_ratings WHERE workspace = ?),
       (SELECT COALESCE(MAX(seq), 0) FROM evidence_outcomes WHERE workspace = ?)
"""
