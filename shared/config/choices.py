"""What stands behind each port: one switch chooses all, single settings override it.

A combination that cannot work is refused at the start, with the setting to change: found later it
would be an event that never arrives, or a record that only one process sees.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from shared.config.settings import Settings

Backend = Literal["embedded", "gcp"]
StoreChoice = Literal["sqlite", "firestore", "postgres"]
BlobsChoice = Literal["folder", "gcs"]
BusChoice = Literal["inprocess", "pubsub"]
AnalyticsChoice = Literal["store", "bigquery"]
EmbedderChoice = Literal["none", "vertex"]
SecretsChoice = Literal["env", "secret_manager"]
ScheduleChoice = Literal["inprocess", "cloud_scheduler"]


FEWEST_ATTEMPTS, MOST_ATTEMPTS = 5, 100
"""Tries that Pub/Sub may be told to make before a dead letter."""


@dataclass(frozen=True, slots=True)
class Choices:
    """One adapter for each port."""

    store: StoreChoice
    blobs: BlobsChoice
    bus: BusChoice
    analytics: AnalyticsChoice
    embedder: EmbedderChoice
    secrets: SecretsChoice
    schedule: ScheduleChoice

    def of_google(self) -> list[str]:
        """Returns those that need a Google Cloud project, as `port=adapter`."""
        mine = {
            "store": ("firestore",),
            "blobs": ("gcs",),
            "bus": ("pubsub",),
            "analytics": ("bigquery",),
            "embedder": ("vertex",),
            "secrets": ("secret_manager",),
            "schedule": ("cloud_scheduler",),
        }
        pairs = ((port, getattr(self, port)) for port in mine)
        return [f"{port}={adapter}" for port, adapter in pairs if adapter in mine[port]]


DEFAULTS: dict[Backend, Choices] = {
    "embedded": Choices("sqlite", "folder", "inprocess", "store", "none", "env", "inprocess"),
    "gcp": Choices(
        "firestore", "gcs", "pubsub", "store", "vertex", "secret_manager", "cloud_scheduler"
    ),
}


def resolved(backend: Backend, **overrides: str | None) -> Choices:
    """Returns the choices of `backend` with those overrides that are set."""
    given = {port: adapter for port, adapter in overrides.items() if adapter is not None}
    return replace(DEFAULTS[backend], **given)  # type: ignore[arg-type]


def refusals(settings: "Settings", *, alone: bool) -> list[str]:
    """Returns what is wrong with a combination of settings; empty where it can work.

    Args:
        settings: each of which is right by itself.
        alone: this process is one function among others, as on Google Cloud.
    """
    return [
        *_missing_places(settings),
        *_missing_database(settings),
        *_mismatches(settings),
        *_apart(settings.chosen, alone=alone),
    ]


def _missing_places(settings: "Settings") -> Iterator[str]:
    chosen, gcp = settings.chosen, settings.gcp
    if not gcp.project and chosen.of_google():
        yield (
            f"gcp.project: {', '.join(chosen.of_google())} need a Google Cloud project; set"
            " WHETSTONE_GCP__PROJECT to its id, or backend to embedded"
        )
    if chosen.blobs == "gcs" and not gcp.bucket:
        yield "gcp.bucket: blobs=gcs needs a bucket; set WHETSTONE_GCP__BUCKET to its name"
    if gcp.region:
        return
    if chosen.schedule == "cloud_scheduler":
        yield "gcp.region: schedule=cloud_scheduler needs a region; set WHETSTONE_GCP__REGION"
    elif chosen.embedder == "vertex" and not settings.vertex.region:
        yield "gcp.region: embedder=vertex needs a region; set WHETSTONE_GCP__REGION"


def _missing_database(settings: "Settings") -> Iterator[str]:
    if settings.chosen.store != "postgres":
        return
    given = settings.postgres
    if given.dsn is None and not given.instance:
        yield (
            "postgres.dsn: store=postgres needs a database; set WHETSTONE_POSTGRES__DSN to its"
            " address, or WHETSTONE_POSTGRES__INSTANCE to a Cloud SQL instance"
        )
    if given.dsn is not None and given.instance:
        yield "postgres.dsn: is set beside postgres.instance; keep one of the two"
    if given.instance and not given.user:
        yield (
            "postgres.user: postgres.instance needs the IAM user to log in as; set"
            " WHETSTONE_POSTGRES__USER"
        )


def _mismatches(settings: "Settings") -> Iterator[str]:
    chosen = settings.chosen
    if chosen.analytics == "bigquery" and chosen.bus != "pubsub":
        yield (
            "analytics: bigquery is fed by a Pub/Sub subscription; set bus to pubsub, or analytics"
            " to store"
        )
    if chosen.bus != "pubsub":
        return
    if not FEWEST_ATTEMPTS <= settings.events.attempts <= MOST_ATTEMPTS:
        yield (
            f"events.attempts: Pub/Sub tries a delivery {FEWEST_ATTEMPTS} to {MOST_ATTEMPTS} times;"
            " set WHETSTONE_EVENTS__ATTEMPTS to a number in between"
        )
    if not settings.gcp.push_audience:
        yield (
            "gcp.push_audience: bus=pubsub needs the audience of the tokens that pushes carry; set"
            " WHETSTONE_GCP__PUSH_AUDIENCE"
        )
    if not settings.gcp.push_service_accounts:
        yield (
            "gcp.push_service_accounts: bus=pubsub needs to know who may push; set"
            " WHETSTONE_GCP__PUSH_SERVICE_ACCOUNTS to a JSON list of service accounts"
        )
    if settings.jwt_secret is None:
        yield (
            "jwt_secret: several processes must verify the same tokens; set WHETSTONE_JWT_SECRET"
            " to 32 random characters or more"
        )


def _apart(chosen: Choices, *, alone: bool) -> Iterator[str]:
    """Yields what several processes cannot share, where there are several."""
    if not alone and chosen.bus != "pubsub":
        return
    why = "each function runs in its own process" if alone else "bus=pubsub is for many processes"
    if chosen.store == "sqlite":
        yield f"store: {why}, which sqlite cannot serve; set store to firestore or postgres"
    if chosen.blobs == "folder":
        yield f"blobs: {why}, which a folder cannot serve; set blobs to gcs"
    if chosen.bus == "inprocess":
        yield f"bus: {why}, where events of inprocess would never arrive; set bus to pubsub"
