"""The servers of contract tests, started once a session; see tests/support/*_fixture.py."""

from tests.support.firestore_fixture import firestore_server, on_firestore, play_stores
from tests.support.postgres_fixture import postgres
from tests.support.pubsub_fixture import pubsub_emulator, pubsub_server
from tests.support.storage_fixture import storage_server

__all__ = [
    "firestore_server",
    "on_firestore",
    "play_stores",
    "postgres",
    "pubsub_emulator",
    "pubsub_server",
    "storage_server",
]
