"""The sums over the evidence log, as plain SQL that BigQuery reads.

`{table}` is the table of the log, `{days}` the days that are summed as one; @workspace, @after
(exclusive) and @upto (inclusive) are parameters. A row may be in the table more than once, for what
feeds it delivers at least once: every statement counts each place of a log once.
"""

from shared.domain.learning.sums import MAX_COST

HEAD = """
SELECT COUNT(*)
FROM (
  SELECT seq, ROW_NUMBER() OVER (ORDER BY seq) AS place
  FROM (
    SELECT DISTINCT seq
    FROM {table}
    WHERE workspace = @workspace AND seq > @after AND seq <= @upto
  ) AS arrived
) AS placed
WHERE seq = @after + place
"""
"""How many places behind @after are there without a gap: a row that stands at its own distance from
@after has every row before it."""

_ONCE = """
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY seq ORDER BY seq) AS copy
  FROM {table}
  WHERE workspace = @workspace AND seq > @after AND seq <= @upto
) AS arrived
WHERE copy = 1"""

_WEIGHTED = "CASE WHEN weight > 0 THEN sign ELSE 0 END"
_COST = f"LEAST(cost_nanousd, {MAX_COST})"
_MICRO = f"CAST(FLOOR({_COST} / 1000) AS INT64)"
RATINGS = f"""
SELECT pattern, provider, model, cell, MAX(day), SUM(sign), SUM(sign * quality),
  SUM(sign * quality * quality), SUM(sign * correct), SUM(sign * cost_nanousd), SUM(sign * costed),
  SUM(sign * latency_ms), SUM(sign * timed), SUM(sign * input_tokens), SUM(sign * output_tokens),
  SUM(sign * tokened), SUM({_WEIGHTED}), SUM(sign * weight), SUM(sign * weight * quality),
  SUM(sign * weight * correct), SUM(sign * weight * {_COST}), SUM(sign * weight * costed),
  standing, epoch, bundle
{_ONCE} AND standing > 0
GROUP BY DIV(day, {{days}}), pattern, provider, model, cell, standing, epoch, bundle
ORDER BY DIV(day, {{days}}), pattern, provider, model, cell, standing, epoch, bundle
"""

QUALITY = f"""
SELECT snapshot_id, SUM(sign), SUM(sign * quality), SUM(sign * quality * quality),
  SUM(sign * correct)
{_ONCE} AND standing > 0
GROUP BY snapshot_id
ORDER BY snapshot_id
"""

ARMS = f"""
SELECT arm, quality, correct, SUM(sign), SUM(sign * cost_nanousd), SUM(sign * costed),
  SUM(sign * {_MICRO} * {_MICRO}), SUM(sign * latency_ms), SUM(sign * timed),
  SUM(sign * latency_ms * latency_ms)
{_ONCE} AND standing > 0 AND arm <> ''
GROUP BY arm, quality, correct
ORDER BY arm, quality, correct
"""

_OFFSET = "MOD(second, 86400)"
_EARNED = "CASE WHEN completed = 1 AND points > 0 THEN second END"
_BAND = "LEAST(CAST(FLOOR(confidence_millis / 100) AS INT64), 9)"
OUTCOMES = f"""
SELECT agent_id, recommendation_type, agreed, confident, {_BAND} AS band, evaluator, day,
  COUNT(*), SUM(completed),
  SUM(completed * points), SUM(completed * points * points), SUM(completed * quality),
  SUM(completed * quality * quality), SUM(completed * timely), SUM(completed * confidence_millis),
  SUM(completed * ease_millis),
  SUM(completed * {_OFFSET}), SUM(completed * {_OFFSET} * {_OFFSET}),
  SUM(completed * {_OFFSET} * points), COALESCE(MIN({_EARNED}), 0), COALESCE(MAX({_EARNED}), 0)
{_ONCE}
GROUP BY agent_id, recommendation_type, agreed, confident, band, evaluator, day
ORDER BY agent_id, recommendation_type, agreed, confident, band, evaluator, day
"""
