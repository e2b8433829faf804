"""The commands of the operator, run as a shell runs them, on a data folder of their own."""

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from shared import bootstrap
from shared.cli import operations
from shared.cli.main import main
from shared.domain.access import SCOPES
from shared.domain.operations import DELIVERIES, Delivery
from shared.domain.records import SYSTEM_WORKSPACE
from shared.messages.events import JOBS, Event
from shared.ports import Transaction
from shared.services.deps import Deps
from tests.support.server import Server, free_port


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A running server's address and its data folder."""
    folder = tmp_path_factory.mktemp("served") / "data"
    with Server(folder) as server:
        yield server.url, folder


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("WHETSTONE_DATA_DIR", str(tmp_path / "data"))
    bootstrap.reset()
    yield tmp_path / "data"
    bootstrap.reset()


def whetstone(*arguments: str) -> Result:
    """Runs one command as its own process would: nothing built before it."""
    bootstrap.reset()
    return CliRunner().invoke(main, list(arguments))


def test_help_lists_every_command(data: Path) -> None:
    said = whetstone("--help")
    assert said.exit_code == 0
    for name in main.commands:
        assert name in said.output


def test_help_of_every_command_says_what_it_does(data: Path) -> None:
    for name in main.commands:
        said = whetstone(name, "--help")
        assert said.exit_code == 0, name
        assert len(said.output.splitlines()) > 3, name


def test_wrong_setting_stops_with_its_name(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHETSTONE_IDEMPOTENCY_HOURS", "2")
    said = whetstone("key", "list")
    assert said.exit_code == 1
    assert "WHETSTONE_IDEMPOTENCY_HOURS" in said.output
    assert "Traceback" not in said.output


def test_unknown_setting_stops_with_its_name(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHETSTONE_NO_SUCH", "1")
    said = whetstone("key", "list")
    assert said.exit_code == 1
    assert "WHETSTONE_NO_SUCH" in said.output


def test_the_first_key_is_made_once_and_is_the_one_that_is_set(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert whetstone("key", "first").output.startswith("wsk_")
    assert whetstone("key", "first").output == "there is a first key already\n"
    monkeypatch.setenv("WHETSTONE_BOOTSTRAP_API_KEY", "wsk_another-key-that-is-set")
    assert whetstone("key", "first").output == "the key is the one that is set\n"
    listed = whetstone("key", "list").output
    assert (listed.count("active"), listed.count("revoked")) == (1, 1)


def test_a_key_is_shown_once_and_listed_without_its_secret(data: Path) -> None:
    made = whetstone("key", "create", "--name", "agents", "--scope", "submit", "--scope", "serve")
    assert made.exit_code == 0, made.output
    key_id, secret = made.output.split()
    listed = whetstone("key", "list")
    assert key_id in listed.output
    assert "active" in listed.output
    assert "serve,submit" in listed.output
    assert secret not in listed.output
    assert secret.encode() not in (data / "whetstone.db").read_bytes()


def test_a_revoked_key_is_listed_as_such(data: Path) -> None:
    key_id = whetstone("key", "create", "--name", "agents", "--scope", "submit").output.split()[0]
    assert whetstone("key", "revoke", key_id).exit_code == 0
    assert "revoked" in whetstone("key", "list").output


def test_a_key_ends_when_it_is_told_to_and_is_listed_as_expired_then(data: Path) -> None:
    ends = ("--days", "0.00001")  # about a second
    made = whetstone("key", "create", "--name", "guest", "--scope", "submit", *ends)
    assert made.exit_code == 0, made.output
    assert re.search(r"guest until 20\d\d-", whetstone("key", "list").output)
    deadline = time.monotonic() + 60
    while "expired" not in whetstone("key", "list").output:
        assert time.monotonic() < deadline, "the key did not expire"
        time.sleep(0.05)


def test_a_key_without_a_name_is_refused_in_one_line(data: Path) -> None:
    said = whetstone("key", "create", "--name", "", "--scope", "submit")
    assert (said.exit_code, said.output) == (1, "Error: name: must not be empty\n")


@pytest.mark.parametrize(
    "command",
    [
        ("audit", "verify"),
        ("key", "create", "--name", "x", "--scope", "submit"),
        ("key", "list"),
        ("key", "revoke", "key_x"),
        ("token", "--subject", "ada"),
        ("token", "--subject", "ada", "--link"),
        ("dead-letters", "list"),
        ("knowledge", "verify"),
        ("knowledge", "rebuild"),
        ("knowledge", "embed"),
        ("knowledge", "rollback", "--to", "0", "--reason", "x"),
        ("simulate",),
        ("verdicts",),
    ],
    ids=" ".join,
)
def test_a_workspace_that_is_misspelt_is_told(data: Path, command: tuple[str, ...]) -> None:
    said = whetstone(*command, "--workspace", "acmee")
    assert said.exit_code == 1
    assert "there is no workspace acmee" in said.output


@pytest.mark.parametrize("subject", ["", "   ", "x" * 257])
def test_a_token_that_the_guard_would_refuse_is_not_minted(data: Path, subject: str) -> None:
    said = whetstone("token", "--subject", subject)
    assert said.exit_code == 2
    assert "1 to 256 characters" in said.output


def test_a_folder_that_cannot_be_made_is_told(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("WHETSTONE_DATA_DIR", str(tmp_path / "file" / "data"))
    said = whetstone("key", "list")
    assert said.exit_code == 1
    assert re.fullmatch(
        r"Error: the folder \S+ cannot be made \(.+\); set WHETSTONE_DATA_DIR\n", said.output
    )


def test_revoking_an_unknown_key_says_so(data: Path) -> None:
    said = whetstone("key", "revoke", "key_nothing")
    assert said.exit_code == 1
    assert "key_nothing" in said.output


def test_an_unknown_scope_is_refused_with_the_known_ones(data: Path) -> None:
    said = whetstone("key", "create", "--name", "x", "--scope", "everything")
    assert said.exit_code == 2
    for scope in SCOPES:
        assert scope in said.output


def test_a_workspace_is_made_once(data: Path) -> None:
    made = whetstone("workspace", "create", "acme")
    assert made.exit_code == 0, made.output
    assert re.fullmatch(r"acme  \S{20,}\n", made.output)
    again = whetstone("workspace", "create", "acme")
    assert again.exit_code == 1
    assert "acme" in again.output
    assert "acme" in whetstone("workspace", "list").output


def test_a_bad_workspace_name_is_refused(data: Path) -> None:
    said = whetstone("workspace", "create", "Not A Name")
    assert said.exit_code == 1
    assert "lower-case" in said.output


def test_tokens_of_one_folder_share_their_secret(data: Path) -> None:
    first = whetstone("token", "--subject", "ada", "--role", "admin").output.strip()
    secret = (data / "jwt_secret").read_text()
    second = whetstone("token", "--subject", "ada").output.strip()
    assert first.count(".") == second.count(".") == 2
    assert (data / "jwt_secret").read_text() == secret
    assert (data / "jwt_secret").stat().st_mode & 0o077 == 0


def test_a_tampered_audit_log_is_found(data: Path) -> None:
    for name in ("one", "two", "three"):
        whetstone("key", "create", "--name", name, "--scope", "submit")
    good = whetstone("audit", "verify")
    assert good.exit_code == 0, good.output
    assert "3 records" in good.output
    with closing(sqlite3.connect(data / "whetstone.db", isolation_level=None)) as connection:
        connection.execute(
            "UPDATE audit_log SET actor = 'nobody' WHERE workspace = 'default' AND seq = 2"
        )
    bad = whetstone("audit", "verify")
    assert bad.exit_code == 1
    assert "record 2" in bad.output


def test_dead_letters_are_listed_and_replayed(data: Path) -> None:
    assert "no dead letters" in whetstone("dead-letters", "list").output
    _leave_dead_letter()
    listed = whetstone("dead-letters", "list")
    assert "notify:evt_1" in listed.output
    assert "the receiver is away" in listed.output
    assert whetstone("workspace", "create", "other").exit_code == 0
    assert "no dead letters" in whetstone("dead-letters", "list", "--workspace", "other").output
    unknown = whetstone("dead-letters", "replay", "nope")
    assert (unknown.exit_code, unknown.output) == (
        1,
        "Error: 0 replayed; 1 of these are no dead letters\n",
    )
    assert whetstone("dead-letters", "replay").exit_code == 2
    assert whetstone("dead-letters", "replay", "notify:evt_1").output == "1 replayed\n"
    assert "no dead letters" in whetstone("dead-letters", "list").output
    with closing(sqlite3.connect(data / "whetstone.db")) as connection:
        records = connection.execute(
            "SELECT workspace, actor, data FROM audit_log WHERE action = 'dead_letters.replayed'"
        ).fetchall()
    assert records == [("default", "system:cli", '{"ids":["notify:evt_1"]}')]


def test_all_dead_letters_are_replayed_however_many_they_are(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "_LETTERS_AT_ONCE", 2)
    for number in range(5):
        _leave_dead_letter(f"evt_{number}")
    assert whetstone("dead-letters", "replay", "--all").output == "5 replayed\n"
    assert "no dead letters" in whetstone("dead-letters", "list").output


def test_a_dead_letter_that_is_named_is_found_behind_many_others(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "_LETTERS_AT_ONCE", 2)
    for number in range(6):
        _leave_dead_letter(f"evt_{number}")
    said = whetstone("dead-letters", "replay", "notify:evt_5", "notify:evt_0", "nope")
    assert said.output == "Error: 2 replayed; 1 of these are no dead letters\n"
    left = whetstone("dead-letters", "list").output
    assert [f"evt_{number}" in left for number in range(6)] == [False, *[True] * 4, False]


def test_an_empty_knowledge_base_verifies_and_rebuilds(data: Path) -> None:
    assert "version 0" in whetstone("knowledge", "verify").output
    assert "version 0" in whetstone("knowledge", "rebuild").output


def test_the_schedule_lists_every_job(data: Path) -> None:
    said = whetstone("schedule", "list").output
    for name, job in JOBS.items():
        assert name in said
        assert job.cron in said
    assert said.count("enabled") == len(JOBS)


def test_a_job_is_held_back_and_goes_on(data: Path) -> None:
    assert whetstone("schedule", "pause", "retrain").output == "retrain is paused\n"
    (held,) = [one for one in whetstone("schedule", "list").output.splitlines() if "paused" in one]
    assert held.startswith("retrain")
    assert "next never" in held
    assert whetstone("schedule", "resume", "retrain").output == "retrain goes on\n"
    assert "paused" not in whetstone("schedule", "list").output
    assert whetstone("schedule", "pause", "nothing").exit_code == 2


def test_a_taken_port_is_told_with_what_to_do(data: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        said = whetstone("serve", "--port", port)
    assert said.exit_code == 1
    assert port in said.output
    assert "choose another PORT" in said.output


def _leave_dead_letter(event_id: str = "evt_1") -> None:
    from shared.cli.running import run

    now = "2026-01-01T00:00:00.000000Z"
    event = Event(
        event_id=event_id,
        type="entry.submitted",
        workspace="default",
        occurred_at=now,
        subject="ent_1",
    )
    dead = Delivery(
        id=f"notify:{event_id}",
        consumer="notify",
        event_id=event_id,
        event_type="entry.submitted",
        tenant="default",
        event=event.model_dump_json(),
        state="dead",
        attempts=5,
        last_error="Unavailable: the receiver is away",
        next_attempt_at=now,
        created_at=now,
    )

    async def leave(deps: Deps) -> None:
        async def work(tx: Transaction) -> None:
            tx.put(DELIVERIES, dead)

        await deps.store.transact(SYSTEM_WORKSPACE, work)

    bootstrap.reset()
    run(leave)


@pytest.mark.parametrize("name", sorted(JOBS))
def test_a_job_is_run_by_hand_on_the_running_server(
    served: tuple[str, Path], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    url, folder = served
    monkeypatch.setenv("WHETSTONE_DATA_DIR", str(folder))
    said = whetstone("schedule", "run", name, "--url", url)
    assert said.exit_code == 0, said.output
    assert re.search(r"\w+: \d", said.output)


def test_the_schedule_starts_a_job_of_the_running_server(
    served: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, folder = served
    monkeypatch.setenv("WHETSTONE_DATA_DIR", str(folder))
    monkeypatch.setenv("WHETSTONE_NOTIFY__CONSOLE_URL", url)
    said = whetstone("schedule", "trigger", "sweep")
    assert (said.exit_code, said.output) == (0, "sweep was started\n")
    monkeypatch.setenv("WHETSTONE_NOTIFY__CONSOLE_URL", f"http://127.0.0.1:{free_port()}")
    away = whetstone("schedule", "trigger", "sweep")
    assert away.exit_code == 1
    assert "cannot be reached" in away.output


def test_a_job_is_not_run_where_nobody_answers_or_with_another_secret(
    served: tuple[str, Path], data: Path
) -> None:
    url, _ = served
    said = whetstone("schedule", "run", "sweep", "--url", f"http://127.0.0.1:{free_port()}")
    assert said.exit_code == 1
    assert "does not answer" in said.output
    said = whetstone("schedule", "run", "sweep", "--url", url)
    assert said.exit_code == 1
    assert "answered 401" in said.output
    assert whetstone("schedule", "run", "nothing").exit_code == 2
