"""What the server says when it starts, and that all of it can be followed."""

import socket
from pathlib import Path

import pytest

from shared import bootstrap
from shared.cli import serve
from shared.cli.welcome import welcome
from tests.support.server import free_port

OURS = "http://127.0.0.1:8081"


def test_further_commands_name_the_port_and_the_folder_that_the_server_uses() -> None:
    said = welcome(OURS, Path("/srv/what stone"), None, code="c")
    where = "WHETSTONE_DATA_DIR='/srv/what stone' .venv/bin/whetstone"
    assert f"{where} token --link --subject NAME --role reviewer --url {OURS})" in said
    assert f"{where} key create --name mine --scope admin" in said


def test_the_usual_port_and_folder_need_not_be_named() -> None:
    said = welcome("http://127.0.0.1:8080", Path("data"), None, code="c")
    assert "WHETSTONE_DATA_DIR" not in said
    assert "--url" not in said


def test_who_comes_before_the_first_request_is_taken_waits() -> None:
    port = free_port()
    with serve._listen("127.0.0.1", port), socket.create_connection(("127.0.0.1", port), 5):
        pass


def test_an_address_of_ipv6_stands_in_brackets() -> None:
    with serve._listen("::1", 0) as listening:
        assert serve._url(listening) == f"http://[::1]:{listening.getsockname()[1]}"


@pytest.mark.parametrize("said", [None, "https://review.test"])
def test_links_lead_to_this_server_where_the_settings_do_not_say_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str | None
) -> None:
    monkeypatch.setenv("WHETSTONE_DATA_DIR", str(tmp_path))
    if said is not None:
        monkeypatch.setenv("WHETSTONE_NOTIFY__CONSOLE_URL", said)
    bootstrap.reset()
    try:
        ports = bootstrap.deps()
        ports.answers_at(OURS)
        assert ports.options.console_url == (said or OURS)
    finally:
        bootstrap.reset()
