"""Each choice brings its adapter, and only what is chosen is imported."""

import asyncio
import subprocess
import sys
from types import SimpleNamespace

import pytest

from shared import config
from shared.adapters.blobs_folder import FolderBlobs
from shared.adapters.bus_inprocess import InProcessBus
from shared.adapters.clock_system import SystemClock
from shared.adapters.ids_random import RandomIds
from shared.adapters.ids_sortable import SortableIds
from shared.adapters.index_sqlite import SqliteKnowledgeIndex
from shared.adapters.secret_vault import SecretVault
from shared.adapters.store_sqlite import SqliteStore
from shared.bootstrap import evidence, places, ports
from shared.errors import InvalidInput

GCP = {
    "project": "p",
    "region": "europe-west1",
    "bucket": "b",
    "push_audience": "whetstone",
    "push_service_accounts": ["push@p.test"],
}
VAULT = SecretVault(None, SystemClock())


def settings(tmp_path, **changes):
    given = {"backend": "gcp", "data_dir": tmp_path / "data", "gcp": GCP, **changes}
    return config.Settings(**given)


async def nothing(_items):
    raise AssertionError("nothing was committed")


def test_the_embedded_backend_is_files_in_one_folder(tmp_path):
    chosen = config.Settings(data_dir=tmp_path / "data")
    store, _ = places.store(chosen, VAULT, nothing)
    blobs = places.blobs(chosen)
    kinds = (SqliteStore, FolderBlobs, SqliteKnowledgeIndex, InProcessBus, SortableIds)
    built = (
        store,
        blobs,
        places.index(chosen, blobs),
        places.bus(chosen, store, SystemClock(), {}),
        places.ids(chosen),
    )
    assert tuple(type(one) for one in built) == kinds
    assert (tmp_path / "data" / "whetstone.db").exists()


@pytest.mark.parametrize(
    ("store", "kinds"),
    [
        ("firestore", ("FirestoreStore", "FirestoreAnalytics")),
        ("postgres", ("PostgresStore", "PostgresAnalytics")),
    ],
)
def test_a_store_that_processes_share_is_one_setting_and_connects_to_nothing(
    tmp_path, store, kinds
):
    dsn = "postgresql://nobody@127.0.0.1:1/none"
    chosen = settings(tmp_path, store=store, postgres={"dsn": dsn})
    built = places.store(chosen, VAULT, nothing)
    assert tuple(type(one).__name__ for one in built) == kinds


def test_cloud_sql_logs_in_by_iam_where_an_instance_is_named(tmp_path):
    chosen = settings(tmp_path, store="postgres", postgres={"instance": "p:r:i", "user": "u"})
    store, _ = places.store(chosen, VAULT, nothing)
    assert type(store).__name__ == "PostgresStore"


@pytest.mark.parametrize(
    ("store", "kind"), [("firestore", "FirestoreEvidence"), ("postgres", "PostgresEvidence")]
)
def test_bigquery_comes_with_the_rows_of_the_store_and_a_feed_of_them(tmp_path, store, kind):
    dsn = "postgresql://nobody@127.0.0.1:1/none"
    chosen = settings(tmp_path, store=store, analytics="bigquery", postgres={"dsn": dsn})
    records, plain = places.store(chosen, VAULT, nothing)
    built = (
        evidence.analytics(chosen, lambda: plain),
        evidence.log(chosen, records),
        evidence.feed(chosen),
    )
    kinds = ("BigQueryAnalytics", kind, "PubSubFeed")
    assert tuple(type(one).__name__ for one in built) == kinds


def test_the_rows_of_a_file_can_be_read_in_order_as_well(tmp_path):
    store = SqliteStore(tmp_path / "whetstone.db")
    chosen = SimpleNamespace(chosen=SimpleNamespace(analytics="store", store="sqlite"))
    assert asyncio.run(evidence.log(chosen, store).rows("default", "ratings", 0, 1)) == []
    asyncio.run(store.close())


def test_without_bigquery_the_store_sums_up_and_no_row_is_copied(tmp_path):
    chosen = config.Settings(data_dir=tmp_path / "data")
    _, plain = places.store(chosen, VAULT, nothing)
    assert evidence.analytics(chosen, lambda: plain) is plain
    assert evidence.feed(chosen) is None


def test_an_embedder_is_one_setting(tmp_path):
    assert places.embedder(config.Settings()) is None
    embedder = places.embedder(settings(tmp_path, vertex={"dimensions": 256}))
    assert embedder.model == "text-embedding-005-256"


def test_a_search_waits_for_its_vector_as_long_as_set():
    chosen = config.Settings(vertex={"query_timeout_s": 0.3})
    assert ports._options(chosen).embedding_timeout_s == 0.3


@pytest.mark.parametrize(("store", "pace_s"), [("firestore", 1.0), ("postgres", 0.0)])
def test_publications_are_numbered_as_fast_as_one_record_of_the_store_may_be_written(
    tmp_path, store, pace_s
):
    dsn = "postgresql://nobody@127.0.0.1:1/none"
    chosen = settings(tmp_path, store=store, postgres={"dsn": dsn})
    assert ports._options(chosen).numbering_pace_s == pace_s
    assert ports._options(config.Settings()).numbering_pace_s == 0.0


def test_only_secret_manager_reads_a_secret_that_a_setting_names(tmp_path):
    with pytest.raises(InvalidInput, match="secret_manager"):
        places.vault(config.Settings(), SystemClock()).secret("secret://jwt")
    assert places.vault(settings(tmp_path), SystemClock()).secret("plain")() == "plain"


def test_cloud_storage_brings_the_index_that_is_kept_there(tmp_path):
    chosen = settings(tmp_path)
    blobs = places.blobs(chosen)
    assert type(blobs).__name__ == "GcsBlobs"
    assert type(places.index(chosen, blobs)).__name__ == "StoredIndex"


def test_the_indexes_of_an_instance_have_the_room_that_is_set(tmp_path):
    chosen = settings(tmp_path, gcp={**GCP, "index_room_mib": 64})
    index = places.index(chosen, FolderBlobs(tmp_path))
    assert asyncio.run(index.size("w")).room_bytes == 64 * 1024**2


def test_pubsub_is_one_setting(tmp_path):
    chosen = settings(tmp_path)
    bus = places.bus(chosen, None, SystemClock(), {})
    assert type(bus).__name__ == "PubSubBus"


@pytest.mark.parametrize("store", ["firestore", "postgres"])
def test_ids_are_random_where_their_order_would_gather_writes(tmp_path, store):
    assert isinstance(places.ids(settings(tmp_path, store=store)), RandomIds)


def test_the_embedded_start_imports_no_sdk_of_the_cloud(tmp_path):
    program = (
        "import sys\n"
        "from shared import bootstrap\n"
        "bootstrap.deps(), bootstrap.gate()\n"
        "found = {name.split('.')[0] for name in sys.modules}\n"
        "cloud = {name for name in sys.modules if name.startswith('google.')}\n"
        "print(sorted(cloud - {'google.cloud'}), sorted(found & {'psycopg', 'grpc', 'aiohttp'}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"WHETSTONE_DATA_DIR": str(tmp_path / "data"), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[] []\n"
