"""A canary: a tenth of the requests to the new revisions, watched, judged, promoted or taken back.

Invariant: however it ends, by verdict, by error or by Ctrl-C, no service is left split.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from deploying.console import DeployError, Say, Times
from deploying.gcloud import Gcloud
from deploying.judging import Judgement, Limits, Observation, Pair, Ratings, judge, slow_bounds
from deploying.measuring import LAG_S, Measurements
from deploying.traffic import WHOLE, Service, give
from shared.domain.traffic import Traffic

Outcome = Literal["promoted", "reverted", "held", "nothing new"]

RATED_WITHIN_S = 900.0
"""Only ratings within this time of their decision are counted (terraform/canary.tf), and not before
the canary is as old: else the old revision would have ratings that the new one cannot have yet."""

BASELINE_S = 3600.0
"""Before the canary, to know what is slow."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a canary is run. Times in seconds.

    Args:
        percent: of the requests, 1..50.
        settle_s: after the split, not judged: instances start, caches are cold.
        time_s: judged for this long before anything is promoted.
        longest_s: where the evidence is too little by then, it is held; at least `time_s`.
        step_s: between two looks.
        name: what the names of all resources begin with; ratings belong to its `serve`.
    """

    percent: int = 10
    settle_s: float = 300.0
    time_s: float = 7200.0
    longest_s: float = 14_400.0
    step_s: float = 600.0
    name: str = "whetstone"


@dataclass(frozen=True, slots=True)
class Canary:
    """One canary of all services that have a new revision.

    Args:
        gcloud: moves the requests.
        measurements: what the revisions did.
        limits: what is asked of them.
        plan: how long, how much.
        times: the clock.
        say: is told what happens.
        record: where every look and the verdict are kept, as lines of JSON; None for nowhere.
    """

    gcloud: Gcloud
    measurements: Measurements
    limits: Limits
    plan: Plan
    times: Times
    say: Say
    record: Path | None = None

    def run(self, found: Mapping[str, Service]) -> tuple[Outcome, str]:
        """Returns how it ended, and why.

        Raises:
            DeployError: a new revision is not ready, or something does not answer; the requests are
                with the old revisions then.
        """
        new = changed(found)
        if not new:
            return "nothing new", "every service serves its newest revision"
        slow = self._slow_bounds(new)
        ended: tuple[Outcome, str] = ("held", "it was broken off")
        try:
            for one in new.values():
                shares = {one.stable: WHOLE - self.plan.percent, one.latest: self.plan.percent}
                give(self.gcloud, one.name, shares)
            ended = ("held", "a dry run") if self.gcloud.dry_run else self._watch(new, slow)
        finally:
            self._end(new, promote=ended[0] == "promoted")
        return ended

    def _end(self, new: Mapping[str, Service], *, promote: bool) -> None:
        for one in new.values():
            if promote:
                give(self.gcloud, one.name, {one.latest: WHOLE}, previous=one.stable)
            else:
                give(self.gcloud, one.name, {one.stable: WHOLE})

    def _slow_bounds(self, new: Mapping[str, Service]) -> dict[str, tuple[float, ...]]:
        now = self.times.now()
        since = now - timedelta(seconds=BASELINE_S)
        return {
            name: slow_bounds(self.measurements.traffic(name, one.stable, since, now))
            for name, one in new.items()
        }

    def _watch(
        self, new: Mapping[str, Service], slow: Mapping[str, tuple[float, ...]]
    ) -> tuple[Outcome, str]:
        plan = self.plan
        started = self.times.now()
        self.say(f"{plan.percent} % of {', '.join(new)} go to the new revisions")
        self.times.wait(plan.settle_s)
        since = self.times.now()
        limits = self._limits_for(new)
        while True:
            self.times.wait(plan.step_s)
            elapsed = (self.times.now() - since).total_seconds()
            last = elapsed >= plan.longest_s
            try:
                seen = self._look(new, slow, started, since)
                judgement = judge(seen, limits)
                self._tell(elapsed, seen, judgement)
            except DeployError as error:
                self.say(f"[yellow]this look failed: {error}[/yellow]")
                judgement = judge(Observation({}), limits)
            if judgement.verdict == "revert":
                return "reverted", judgement.reason
            if judgement.verdict == "promote" and elapsed >= plan.time_s:
                return "promoted", judgement.reason
            if last:
                return "held", judgement.reason

    def _limits_for(self, new: Mapping[str, Service]) -> Limits:
        """Returns the limits; quality can only be asked of a release that has a new `serve`."""
        if f"{self.plan.name}-serve" in new:
            return self.limits
        kept = tuple(kind for kind in self.limits.required if kind != "quality")
        return replace(self.limits, required=kept)

    def _look(
        self,
        new: Mapping[str, Service],
        slow: Mapping[str, tuple[float, ...]],
        started: datetime,
        since: datetime,
    ) -> Observation:
        until = self.times.now() - timedelta(seconds=LAG_S)
        pairs = {
            name: Pair(
                self._traffic(name, one.stable, since, until),
                self._traffic(name, one.latest, since, until),
                slow[name],
            )
            for name, one in new.items()
        }
        serve = new.get(f"{self.plan.name}-serve")
        rated_since = max(since, started + timedelta(seconds=RATED_WITHIN_S))
        if serve is None or until <= rated_since:
            return Observation(pairs)
        ask = self.measurements.ratings
        old, other = (
            ask(revision, rated_since, until) for revision in (serve.stable, serve.latest)
        )
        return Observation(pairs, old, other)

    def _traffic(self, service: str, revision: str, since: datetime, until: datetime) -> Traffic:
        if until <= since:
            return Traffic(0, 0, (), ())
        return self.measurements.traffic(service, revision, since, until)

    def _tell(self, elapsed: float, seen: Observation, judgement: Judgement) -> None:
        minutes = round(elapsed / 60)
        self.say(f"after {minutes} min: {judgement.verdict}: {judgement.reason}")
        if self.record is None:
            return
        line = {
            "at": self.times.now().isoformat(),
            "elapsed_s": elapsed,
            "verdict": judgement.verdict,
            "reason": judgement.reason,
            "harm": judgement.harm,
            "seen": as_json(seen),
        }
        with self.record.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, sort_keys=True) + "\n")


def changed(found: Mapping[str, Service]) -> dict[str, Service]:
    """Returns the services whose newest revision is not the one that serves.

    Raises:
        DeployError: a newest revision did not become ready.
    """
    if broken := [one.created for one in found.values() if one.created != one.latest]:
        raise DeployError(
            f"{', '.join(broken)} did not become ready: see its log; nothing was moved to it"
        )
    return {name: one for name, one in found.items() if one.latest != one.stable}


def as_json(seen: Observation) -> dict[str, Any]:
    """Returns an observation as it is recorded."""
    return asdict(seen)


def from_json(found: Mapping[str, Any]) -> Observation:
    """Returns the observation that `as_json` was given."""
    pairs = {
        name: Pair(_traffic(one["stable"]), _traffic(one["canary"]), tuple(one["slow_bounds_s"]))
        for name, one in found["services"].items()
    }
    stable, canary = found["stable_ratings"]["counts"], found["canary_ratings"]["counts"]
    return Observation(pairs, Ratings(tuple(stable)), Ratings(tuple(canary)))


def _traffic(found: Mapping[str, Any]) -> Traffic:
    bounds, counts = tuple(found["bounds"]), tuple(found["counts"])
    return Traffic(found["requests"], found["errors"], bounds, counts)
