"""What backups are taken with: the archive of the store, and the place where they are kept."""

from pathlib import Path
from typing import assert_never

from shared.config import Settings
from shared.ports import Archive, Blobs, Store

BUCKET = "gs://"


def archive(chosen: Settings, store: Store) -> Archive:
    """Returns what reads and writes whole workspaces of the store."""
    match chosen.chosen.store:
        case "firestore":
            return _firestore(store)
        case "postgres":
            return _postgres(store)
        case "sqlite":
            return _sqlite(store)
        case never:
            assert_never(never)


def place(where: str) -> Blobs:
    """Returns a place for backups: a folder, or `gs://bucket` with a prefix of names behind it."""
    if where.startswith(BUCKET):
        from shared.adapters.blobs_gcs import GcsBlobs

        bucket, _, prefix = where.removeprefix(BUCKET).partition("/")
        prefix = prefix.strip("/")
        return GcsBlobs(bucket, prefix=f"{prefix}/" if prefix else "")
    from shared.adapters.blobs_folder import FolderBlobs

    return FolderBlobs(Path(where).expanduser())


def _firestore(store: Store) -> Archive:
    from shared.adapters.archive_firestore import FirestoreArchive
    from shared.adapters.store_firestore import FirestoreStore

    assert isinstance(store, FirestoreStore)  # noqa: S101 -- the same setting has chosen it
    return FirestoreArchive(store)


def _postgres(store: Store) -> Archive:
    from shared.adapters.archive_postgres import PostgresArchive
    from shared.adapters.store_postgres import PostgresStore

    assert isinstance(store, PostgresStore)  # noqa: S101 -- as above
    return PostgresArchive(store.pool)


def _sqlite(store: Store) -> Archive:
    from shared.adapters.archive_sqlite import SqliteArchive
    from shared.adapters.store_sqlite import SqliteStore

    assert isinstance(store, SqliteStore)  # noqa: S101 -- as above
    return SqliteArchive(store.path)
