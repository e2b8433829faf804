"""The commands that back up, restore and import, on a data folder of their own."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from shared import bootstrap
from shared.cli.main import main
from tests.support.older import made, sqlite_of


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("WHETSTONE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("WHETSTONE_CONFIG_FILE", str(tmp_path / "none.yaml"))
    (tmp_path / "none.yaml").touch()
    monkeypatch.chdir(tmp_path)
    bootstrap.reset()
    yield tmp_path / "data"
    bootstrap.reset()


def whetstone(*arguments: str) -> Result:
    """Runs one command as its own process would: nothing built before it."""
    bootstrap.reset()
    return CliRunner().invoke(main, list(arguments))


def test_a_backup_is_taken_listed_verified_and_restored(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = str(tmp_path / "place")
    assert whetstone("workspace", "create", "acme").exit_code == 0
    would = whetstone("backup", "--to", place, "--dry-run", "--keep-days", "3")
    assert would.output == "would take: acme\nwould remove: nothing\n"
    assert "no complete backup" in whetstone("backup", "verify", place).output
    taken = whetstone("backup", "--to", place, "--keep-days", "3")
    assert taken.exit_code == 0, taken.output
    assert "1 workspaces" in taken.output
    assert "0 older backups removed" in taken.output
    backup_id = taken.output.split()[0]
    assert whetstone("backup", "list", place).output.startswith(backup_id)
    whole = whetstone("backup", "verify", place, "--backup", backup_id)
    assert f"{backup_id} is whole" in whole.output
    monkeypatch.setenv("WHETSTONE_DATA_DIR", str(tmp_path / "there"))
    would = whetstone("restore", "--from", place, "--dry-run")
    assert f"{backup_id} is whole and would be restored" in would.output
    restored = whetstone("restore", "--from", place)
    assert restored.exit_code == 0, restored.output
    assert "audit chain of acme: 1 records" in restored.output
    assert whetstone("workspace", "list").output == "acme\n"


def test_the_place_of_the_settings_is_taken_where_none_is_named(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for command in (("backup",), ("restore",), ("backup", "list"), ("backup", "verify")):
        said = whetstone(*command)
        assert said.exit_code == 2
        assert "WHETSTONE_BACKUP__PLACE" in said.output
    monkeypatch.setenv("WHETSTONE_BACKUP__PLACE", str(tmp_path / "kept"))
    assert whetstone("backup").exit_code == 0
    assert (tmp_path / "kept" / "objects" / "backups").is_dir()


def test_an_unknown_workspace_is_told_before_anything_is_done(data: Path, tmp_path: Path) -> None:
    place = str(tmp_path / "place")
    said = whetstone("backup", "--to", place, "--workspace", "nobody", "--dry-run")
    assert said.exit_code == 1
    assert "no workspace nobody" in said.output


def test_an_older_file_is_imported_with_a_table_and_a_list_of_rejects(
    data: Path, tmp_path: Path
) -> None:
    older = str(sqlite_of(tmp_path / "older.db", made(60, 40)))
    said = whetstone("import", older, "--dry-run")
    assert said.exit_code == 0, said.output
    said = whetstone("import", older, "--rejects", "bad.jsonl", "--cache")
    assert said.exit_code == 0, said.output
    lines = [line.split() for line in said.output.splitlines()]
    assert ["requests", "60", "55", "0", "0", "5"] in lines
    assert "columns of requests that were not read: shoe_size" in said.output
    assert "DIFFERS" not in said.output
    rejects = [json.loads(line) for line in (tmp_path / "bad.jsonl").read_text().splitlines()]
    assert rejects[0] == {"table": "requests", "row": 8, "id": "", "reason": "it has no id"}
    again = whetstone("import", older)
    assert ["requests", "60", "0", "55", "0", "5"] in [
        line.split() for line in again.output.splitlines()
    ]


def test_a_source_or_a_mapping_that_is_none_is_told(data: Path, tmp_path: Path) -> None:
    assert "there is no file" in whetstone("import", "nowhere.db").output
    older = str(sqlite_of(tmp_path / "older.db", made(1, 1)))
    (tmp_path / "m.yaml").write_text("requests: {colour: red}")
    said = whetstone("import", older, "--mapping", "m.yaml")
    assert said.exit_code == 2
    assert "is no mapping" in said.output
    (tmp_path / "m.yaml").write_text("requests: {defaults: {provider: ours}}")
    assert whetstone("import", older, "--mapping", "m.yaml").exit_code == 0


def test_an_older_postgres_that_is_away_is_told_without_its_password(data: Path) -> None:
    said = whetstone("import", "postgresql://u:hidden@127.0.0.1:1/older?connect_timeout=2")
    assert said.exit_code == 1
    assert "cannot be read" in said.output
    assert "hidden" not in said.output
