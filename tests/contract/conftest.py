"""The servers of contract tests, started once a session; see tests/support/*_fixture.py."""

from tests.support.pubsub_fixture import pubsub_emulator, pubsub_server
from tests.support.storage_fixture import storage_server

__all__ = ["pubsub_emulator", "pubsub_server", "storage_server"]
