"""The Cloud Storage server starts, says so where it cannot, keeps a folder, and ends."""

import asyncio
import platform

import pytest

from localcloud.process import StartError, answers
from localcloud.storage import StorageServer, binary
from shared.adapters.blobs_gcs import GcsBlobs
from tests.support.backends import missing


@pytest.fixture(autouse=True)
def _installed():
    try:
        binary()
    except StartError as error:
        missing(str(error))


async def put_and_close(server, data):
    blobs = GcsBlobs("kept", endpoint=server.url)
    await blobs.put("a", data, if_generation=None)
    await blobs.close()


async def get_and_close(server):
    blobs = GcsBlobs("kept", endpoint=server.url)
    blob = await blobs.get("a")
    await blobs.close()
    return blob.data


def test_a_folder_outlives_a_killed_server(tmp_path):
    with StorageServer(tmp_path / "log", folder=tmp_path / "objects") as server:
        assert server.environment == {"STORAGE_EMULATOR_HOST": server.url}
        server.create_bucket("kept")
        asyncio.run(put_and_close(server, b"one"))
        server.kill()
        assert not answers(server.port)
        server.start()
        server.create_bucket("kept")
        assert asyncio.run(get_and_close(server)) == b"one"
    assert not answers(server.port)


def test_a_bucket_with_an_impossible_name_is_refused(tmp_path):
    with (
        StorageServer(tmp_path / "log") as server,
        pytest.raises(StartError, match="could not be made"),
    ):
        server.create_bucket("")


def test_a_machine_without_a_binary_is_told_so(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "pdp11")
    with pytest.raises(StartError, match="carries no fake-gcs-server-linux-pdp11"):
        binary()


def test_stopping_what_was_not_started_does_nothing(tmp_path):
    server = StorageServer(tmp_path / "log")
    server.stop()
    server.kill()
    assert not answers(server.port)
