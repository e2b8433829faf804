"""Builds the adapter that the settings choose for each port that keeps or carries something.

An adapter is imported where it is chosen and nowhere else: the embedded start loads no SDK of
Google’s, and a function only those of its own ports. Nothing connects before its first use. Each
choice is a `match`, which `bundling` reads to leave out what is not chosen.
"""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from shared.adapters.secret_vault import SecretVault
from shared.config import Settings
from shared.domain.secrets import SecretReference
from shared.errors import InvalidInput
from shared.ports import (
    Analytics,
    Blobs,
    Bus,
    Clock,
    Committed,
    Embedder,
    Ids,
    KnowledgeIndex,
    Schedule,
    Secrets,
    Store,
)

if TYPE_CHECKING:
    from shared.adapters.bus_inprocess import Consumer


def store(chosen: Settings, vault: SecretVault, committed: Committed) -> tuple[Store, Analytics]:
    """Returns the store, and what sums up the evidence in it.

    Args:
        chosen: the settings.
        vault: gives the database's address.
        committed: publishes what a transaction has put into the outbox, where no relay runs beside
            the requests.
    """
    published = committed if chosen.chosen.bus == "pubsub" else None
    match chosen.chosen.store:
        case "firestore":
            return _firestore(chosen, published)
        case "postgres":
            return _postgres(chosen, vault, published)
        case "sqlite":
            return _sqlite(chosen)
        case never:
            assert_never(never)


def _firestore(chosen: Settings, committed: Committed | None) -> tuple[Store, Analytics]:
    from shared.adapters.analytics_firestore import FirestoreAnalytics
    from shared.adapters.store_firestore import FirestoreStore

    gcp = chosen.gcp
    records = FirestoreStore(
        gcp.project or "", gcp.firestore_database, committed=committed, shards=gcp.counter_shards
    )
    return records, FirestoreAnalytics(records)


def _postgres(
    chosen: Settings, vault: SecretVault, committed: Committed | None
) -> tuple[Store, Analytics]:
    from shared.adapters.analytics_postgres import PostgresAnalytics
    from shared.adapters.postgres_login import CloudSqlLogin, DsnLogin, Login
    from shared.adapters.postgres_pool import PostgresPool
    from shared.adapters.store_postgres import PostgresStore

    given = chosen.postgres
    login: Login = (
        DsnLogin(vault.secret(given.dsn.get_secret_value())())
        if given.dsn is not None
        else CloudSqlLogin(
            given.instance or "", given.user or "", given.database, ip_type=given.network
        )
    )
    pool = PostgresPool(login, size=given.pool_size)
    return PostgresStore(pool, committed=committed), PostgresAnalytics(pool)


def _sqlite(chosen: Settings) -> tuple[Store, Analytics]:
    from shared.adapters.analytics_sqlite import SqliteAnalytics
    from shared.adapters.store_sqlite import SqliteStore

    records = SqliteStore(kept_in(chosen) / "whetstone.db")
    return records, SqliteAnalytics(records.path)


def blobs(chosen: Settings) -> Blobs:
    """Returns the store of objects."""
    match chosen.chosen.blobs:
        case "gcs":
            from shared.adapters.blobs_gcs import GcsBlobs

            gcp = chosen.gcp
            return GcsBlobs(gcp.bucket or "", project=gcp.project, prefix=gcp.object_prefix)
        case "folder":
            from shared.adapters.blobs_folder import FolderBlobs

            return FolderBlobs(kept_in(chosen) / "blobs")
        case never:
            assert_never(never)


def bus(chosen: Settings, records: Store, clock: Clock, consumers: "Mapping[str, Consumer]") -> Bus:
    """Returns the bus; `consumers` are the handlers of this process, where it delivers itself."""
    events, gcp = chosen.events, chosen.gcp
    match chosen.chosen.bus:
        case "pubsub":
            from shared.adapters.bus_pubsub import PubSubBus

            prefix, attempts = gcp.topic_prefix, events.attempts
            return PubSubBus(gcp.project or "", records, clock, prefix=prefix, attempts=attempts)
        case "inprocess":
            from shared.adapters.bus_inprocess import InProcessBus, Retries

            retries = Retries(events.attempts, events.first_backoff_s, events.longest_backoff_s)
            return InProcessBus(records, clock, consumers, retries)
        case never:
            assert_never(never)


def schedule(
    chosen: Settings, records: Callable[[], Store], clock: Clock, token: Callable[[], str]
) -> Schedule:
    """Returns what calls the jobs; `records` and `token` are asked where this machine does."""
    match chosen.chosen.schedule:
        case "cloud_scheduler":
            from shared.adapters.schedule_cloud import CloudSchedule

            gcp = chosen.gcp
            return CloudSchedule(
                gcp.project or "", gcp.region or "", clock, prefix=gcp.scheduler_prefix
            )
        case "inprocess":
            from shared.adapters.schedule_store import StoreSchedule

            return StoreSchedule(records(), clock, chosen.notify.console_url, token)
        case _:
            assert_never(chosen.chosen.schedule)


def index(chosen: Settings, objects: Blobs) -> KnowledgeIndex:
    """Returns the knowledge index: on files here, or on copies of those that are with the blobs."""
    from shared.adapters.index_sqlite import SqliteKnowledgeIndex

    match chosen.chosen.blobs:
        case "folder":
            return SqliteKnowledgeIndex(kept_in(chosen) / "index")
        case "gcs":
            from shared.adapters.index_blobs import StoredIndex

            copies = Path(tempfile.mkdtemp(prefix="whetstone-index-"))
            room_bytes = chosen.gcp.index_room_mib << 20
            return StoredIndex(SqliteKnowledgeIndex(copies), objects, room_bytes=room_bytes)
        case never:
            assert_never(never)


def embedder(chosen: Settings) -> Embedder | None:
    """Returns what turns text into vectors; None where search goes by words alone."""
    match chosen.chosen.embedder:
        case "none":
            return None
        case "vertex":
            return _vertex(chosen)
        case never:
            assert_never(never)


def _vertex(chosen: Settings) -> Embedder:
    from shared.adapters.embedder_vertex import VertexEmbedder

    given, gcp = chosen.vertex, chosen.gcp
    region = given.region or gcp.region or ""
    return VertexEmbedder(gcp.project or "", region, name=given.model, dims=given.dimensions)


def vault(chosen: Settings, clock: Clock) -> SecretVault:
    """Returns what turns settings into secrets, those that they name elsewhere among them."""
    match chosen.chosen.secrets:
        case "env":
            return SecretVault(None, clock)
        case "secret_manager":
            return SecretVault(_LateSecrets(chosen.gcp.project or ""), clock)
        case never:
            assert_never(never)


class _LateSecrets:
    """Reads from Secret Manager, whose library is loaded at the first secret that is named."""

    def __init__(self, project: str) -> None:
        self._project = project
        self._source: Secrets | None = None

    def read(self, reference: SecretReference) -> str:
        """See Secrets."""
        if self._source is None:
            from shared.adapters.secrets_gcp import SecretManagerSecrets

            self._source = SecretManagerSecrets(self._project)
        return self._source.read(reference)


def ids(chosen: Settings) -> Ids:
    """Returns the source of ids: in order for one file, without order where that spreads load."""
    match chosen.chosen.store:
        case "sqlite":
            from shared.adapters.ids_sortable import SortableIds

            return SortableIds()
        case _:
            from shared.adapters.ids_random import RandomIds

            return RandomIds()


def kept_in(chosen: Settings) -> Path:
    """Returns the folder of what is kept on this machine, made where it is missing.

    Raises:
        InvalidInput: there is none, and none can be made.
    """
    folder = chosen.data_dir
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        detail = f"the folder {folder} cannot be made ({error.strerror}); set WHETSTONE_DATA_DIR"
        raise InvalidInput(detail) from None
    return folder
