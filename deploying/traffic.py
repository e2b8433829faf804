"""Which revision of each function gets which share of its requests.

A function of the second generation is a Cloud Run service, and traffic is a matter of the service.
Invariant: outside of a canary all traffic of a service goes to one revision that is *named*, never
to "the latest"; so a deployment makes a revision and moves no requests.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from deploying.console import DeployError
from deploying.gcloud import Gcloud

WHOLE = 100

PREVIOUS = "previous"
"""The tag of the revision that served before the last promotion."""


@dataclass(frozen=True, slots=True)
class Service:
    """A function's Cloud Run service as it is.

    Args:
        name: the service's.
        latest: its newest revision that is ready.
        created: its newest revision; another one than `latest` where that is not ready.
        shares: percent of the requests by revision, none of them 0.
        pinned: True where the revisions are named, and do not follow the latest.
        previous: the revision that served before the last promotion, None where there was none.
    """

    name: str
    latest: str
    created: str
    shares: Mapping[str, int]
    pinned: bool
    previous: str | None = None

    @property
    def stable(self) -> str:
        """The revision with the largest share."""
        return max(self.shares, key=lambda revision: self.shares[revision])

    @property
    def is_split(self) -> bool:
        """Whether more than one revision gets requests."""
        return len(self.shares) > 1


def services(gcloud: Gcloud, prefix: str) -> dict[str, Service]:
    """Returns the services whose names begin with `prefix-`, by name; none before the first apply.

    Raises:
        DeployError: gcloud fails.
    """
    found = gcloud.read("run", "services", "list", f"--region={gcloud.region}")
    read = [_service(one) for one in found or []]
    return {one.name: one for one in sorted(read, key=_name) if one.name.startswith(f"{prefix}-")}


def pin(gcloud: Gcloud, found: Iterable[Service]) -> None:
    """Names the revision that serves, so that the next deployment moves no requests.

    Raises:
        DeployError: a canary is under way.
    """
    known = list(found)
    if split := [one.name for one in known if one.is_split]:
        raise DeployError(
            f"a canary of {', '.join(split)} is under way: let it end, or run scripts/rollback code"
        )
    for one in known:
        if not one.pinned:
            give(gcloud, one.name, {one.stable: WHOLE})


def give(
    gcloud: Gcloud, service: str, shares: Mapping[str, int], *, previous: str | None = None
) -> None:
    """Shares out the requests of a service.

    Args:
        gcloud: does it.
        service: whose requests.
        shares: percents by revision, that sum up to 100.
        previous: the revision to come back to; kept as a tag of the service itself.
    """
    wanted = ",".join(f"{revision}={percent}" for revision, percent in shares.items())
    gcloud.change(
        "run",
        "services",
        "update-traffic",
        service,
        f"--region={gcloud.region}",
        f"--to-revisions={wanted}",
        *([f"--update-tags={PREVIOUS}={previous}"] if previous else []),
    )


def roll_back(gcloud: Gcloud, one: Service, revision: str | None) -> str | None:
    """Gives all requests of a service to an earlier revision, and returns it.

    Returns None where nothing was to be done: it has all of them already.

    Args:
        gcloud: does it.
        one: the service.
        revision: which one; where None, the other side of a canary that is under way, else the
            revision that served before the last promotion.

    Raises:
        DeployError: no revision is known to have served before.
    """
    wanted = revision or (one.stable if one.is_split else one.previous)
    if wanted is None:
        raise DeployError(
            f"{one.name} has no earlier revision on record; name one with --to {one.name}=REVISION"
            f" (gcloud run revisions list --service={one.name} --region={gcloud.region})"
        )
    if dict(one.shares) == {wanted: WHOLE}:
        return None
    give(gcloud, one.name, {wanted: WHOLE})
    return wanted


def roll_back_all(
    gcloud: Gcloud, prefix: str, chosen: Mapping[str, str], only: Iterable[str]
) -> None:
    """Gives every function's requests to the revision before, and looks that they went there.

    Args:
        gcloud: does it.
        prefix: what the services' names begin with.
        chosen: revisions by service, where another one is wanted.
        only: functions; all that have an earlier revision where it and `chosen` are empty.

    Raises:
        DeployError: there is no such service or revision, or requests are elsewhere afterwards.
    """
    found = services(gcloud, prefix)
    kept = {f"{prefix}-{name}" for name in only} | set(chosen)
    if unknown := sorted(kept - set(found)):
        raise DeployError(f"there is no service {', '.join(unknown)}; there are {', '.join(found)}")
    for name, one in found.items():
        if (kept and name not in kept) or not (kept or one.is_split or one.previous):
            continue
        moved = roll_back(gcloud, one, chosen.get(name))
        gcloud.say(f"{name}: {moved or 'has all requests where they should be'}")
        now = services(gcloud, prefix)[name]
        if moved and not gcloud.dry_run and dict(now.shares) != {moved: WHOLE}:
            raise DeployError(f"{name} has {dict(now.shares)} after the rollback")


def _name(one: Service) -> str:
    return one.name


def _service(found: Mapping[str, Any]) -> Service:
    status, latest = found["status"], found["status"].get("latestReadyRevisionName", "")
    shares: dict[str, int] = {}
    for one in status.get("traffic", []):
        if percent := int(one.get("percent", 0)):
            revision = one.get("revisionName", latest)
            shares[revision] = shares.get(revision, 0) + percent
    tagged = [one for one in status.get("traffic", []) if one.get("tag") == PREVIOUS]
    wanted = [one for one in found["spec"].get("traffic", []) if one.get("percent")]
    return Service(
        name=found["metadata"]["name"],
        latest=latest,
        created=status.get("latestCreatedRevisionName", latest),
        shares=shares or {latest: WHOLE},
        pinned=bool(wanted) and not any(one.get("latestRevision") for one in wanted),
        previous=tagged[0].get("revisionName") if tagged else None,
    )
