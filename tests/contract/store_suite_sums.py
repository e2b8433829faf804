"""The contract of analytics: sums of evidence."""

import asyncio
from collections import defaultdict
from dataclasses import astuple, replace

from tests.contract.store_records import HERE, OUTCOME, RATING, THERE, Suite, write

WEEK = 7


class SumsSuite(Suite):
    """The contract of analytics: sums of evidence."""

    # --- analytics -----------------------------------------------------------------------------

    def test_evidence_is_numbered_from_1_without_gaps_and_summed_over_half_open_ranges(self, play):
        async def scenario(store, analytics):
            assert await analytics.head(HERE) == (0, 0)
            rows = [replace(RATING, quality=1 + n % 5, feedback_id=f"fb{n}") for n in range(30)]
            await asyncio.gather(
                *(write(store, lambda tx, one=one: tx.append(one)) for one in rows)
            )
            assert await analytics.head(HERE) == (30, 0)
            for after, upto in ((0, 30), (0, 1), (29, 30), (10, 20), (5, 5), (30, 99)):
                sums = await analytics.rating_sums(HERE, after, upto)
                assert sum(one.n for one in sums) == max(0, min(upto, 30) - after)

        play(scenario)

    def check_sums(self, root, ratings, outcomes, after, upto):
        """Holds the sums of rows against a plain computation; called by a property test."""

        async def scenario():
            store, analytics = self.open_pair(root)
            try:
                if ratings or outcomes:
                    await write(store, lambda tx: tx.append(*ratings, *outcomes))
                await write(store, lambda tx: tx.append(RATING, OUTCOME), workspace=THERE)
                return (
                    await analytics.rating_sums(HERE, after, upto),
                    await analytics.rating_sums(HERE, after, upto, WEEK),
                    await analytics.outcome_sums(HERE, after, upto),
                    await analytics.quality_sums(HERE, after, upto),
                    await analytics.arm_sums(HERE, after, upto),
                )
            finally:
                await store.close()

        found = asyncio.run(scenario())
        rated, settled = ratings[after:upto], outcomes[after:upto]
        assert [tuple(one) for one in found[0]] == naive_ratings(rated, 1)
        assert [tuple(one) for one in found[1]] == naive_ratings(rated, WEEK)
        assert [astuple(one) for one in found[2]] == naive_outcomes(settled)
        assert [astuple(one) for one in found[3]] == naive_quality(rated)
        assert [astuple(one) for one in found[4]] == naive_arms(rated)


def grouped(rows, *names):
    """Returns rows by the values of these fields, in order."""
    return grouped_by(rows, lambda row: tuple(getattr(row, name) for name in names))


def grouped_by(rows, key_of):
    """Returns rows by a key, in order."""
    groups = defaultdict(list)
    for row in rows:
        groups[key_of(row)].append(row)
    return sorted(groups.items())


def naive_ratings(rows, days):
    """Returns RatingSums as tuples, by plain addition of what counts, in steps of `days`."""

    def key_of(row):
        names = row.pattern, row.provider, row.model, row.cell
        return (row.day // days, *names, row.standing, row.epoch, row.bundle)

    return [
        (
            *key[1:5],
            max(one.day for one in group),
            sum(one.sign for one in group),
            sum(one.sign * one.quality for one in group),
            sum(one.sign * one.quality**2 for one in group),
            sum(one.sign * one.correct for one in group),
            sum(one.sign * one.cost_nanousd for one in group),
            sum(one.sign * one.costed for one in group),
            sum(one.sign * one.latency_ms for one in group),
            sum(one.sign * one.timed for one in group),
            sum(one.sign * one.input_tokens for one in group),
            sum(one.sign * one.output_tokens for one in group),
            sum(one.sign * one.tokened for one in group),
            *naive_weighted([one for one in group if one.weight]),
            *key[5:],
        )
        for key, group in grouped_by([one for one in rows if one.standing], key_of)
    ]


def naive_weighted(group):
    """Returns the weighted figures of RatingSums, by plain addition."""
    return [
        sum(one.sign for one in group),
        sum(one.sign * one.weight for one in group),
        sum(one.sign * one.weight * one.quality for one in group),
        sum(one.sign * one.weight * one.correct for one in group),
        sum(one.sign * one.weight * min(one.cost_nanousd, 10**10) for one in group),
        sum(one.sign * one.weight * one.costed for one in group),
    ]


def naive_quality(rows):
    """Returns QualitySums as tuples, by plain addition."""
    return [
        (
            *names,
            sum(one.sign for one in group),
            sum(one.sign * one.quality for one in group),
            sum(one.sign * one.quality**2 for one in group),
            sum(one.sign * one.correct for one in group),
        )
        for names, group in grouped([one for one in rows if one.standing], "snapshot_id")
    ]


def naive_arms(rows):
    """Returns ArmSums as tuples, by plain addition."""
    return [
        (
            *names,
            sum(one.sign for one in group),
            sum(one.sign * one.cost_nanousd for one in group),
            sum(one.sign * one.costed for one in group),
            sum(one.sign * (min(one.cost_nanousd, 10**10) // 1000) ** 2 for one in group),
            sum(one.sign * one.latency_ms for one in group),
            sum(one.sign * one.timed for one in group),
            sum(one.sign * one.latency_ms**2 for one in group),
        )
        for names, group in grouped(
            [one for one in rows if one.standing and one.arm], "arm", "quality", "correct"
        )
    ]


def naive_outcomes(rows):
    """Returns OutcomeSums as tuples, by plain addition."""
    sums = []
    groups = defaultdict(list)
    for one in rows:
        flags, band = (one.agreed, one.confident), min(one.confidence_millis // 100, 9)
        place = one.agent_id, one.recommendation_type, *flags, band, one.evaluator, one.day
        groups[place].append(one)
    for values, group in sorted(groups.items()):
        done = [one for one in group if one.completed]
        earned = [one.second for one in done if one.points > 0]
        offsets = [(one.second % 86_400, one.points) for one in done]
        sums.append(
            (
                *values,
                len(group),
                len(done),
                sum(one.points for one in done),
                sum(one.points**2 for one in done),
                sum(one.quality for one in done),
                sum(one.quality**2 for one in done),
                sum(one.timely for one in done),
                sum(one.confidence_millis for one in done),
                sum(one.ease_millis for one in done),
                sum(offset for offset, _ in offsets),
                sum(offset**2 for offset, _ in offsets),
                sum(offset * points for offset, points in offsets),
                min(earned, default=0),
                max(earned, default=0),
            )
        )
    return sums
