"""Google's Firestore emulator as a part of the local cloud."""

import pytest

from localcloud import firestore
from localcloud.firestore import FirestoreServer
from localcloud.process import StartError


def test_without_the_google_cloud_cli_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StartError, match="install the Google Cloud CLI"):
        firestore.emulator_jar()


def test_without_the_emulator_it_says_what_to_install(tmp_path, monkeypatch):
    gcloud = tmp_path / "gcloud"
    gcloud.write_text(f"#!/bin/sh\necho {tmp_path}\n", "utf-8")
    gcloud.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(StartError, match="Firestore emulator"):
        firestore.emulator_jar()


def test_the_emulator_is_found_below_the_cli(tmp_path, monkeypatch):
    jar = tmp_path / firestore._JAR
    jar.parent.mkdir(parents=True)
    jar.write_bytes(b"")
    gcloud = tmp_path / "gcloud"
    gcloud.write_text(f"#!/bin/sh\necho {tmp_path}\n", "utf-8")
    gcloud.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert firestore.emulator_jar() == jar


def test_without_java_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(firestore.shutil, "which", lambda name: None)
    with pytest.raises(StartError, match="Java"):
        FirestoreServer(tmp_path / "log").start()


def test_a_server_that_was_never_started_can_be_stopped(tmp_path):
    server = FirestoreServer(tmp_path / "log", port=1)
    server.stop()
    server.kill()
    assert server.environment == {"FIRESTORE_EMULATOR_HOST": "127.0.0.1:1"}
    assert not server._answers()
