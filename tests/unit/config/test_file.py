"""What the settings file may hold, and what stops the start."""

from pathlib import Path

import pytest

from shared import config
from shared.errors import InvalidInput

MODEL = "models: [{model: m, usd_per_m_input: 1, usd_per_m_output: 1}]"


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def loaded(text: str) -> config.Settings:
        (tmp_path / "whetstone.yaml").write_text(text, "utf-8")
        monkeypatch.setenv("WHETSTONE_CONFIG_FILE", str(tmp_path / "whetstone.yaml"))
        return config.load()

    return loaded


@pytest.mark.parametrize(
    ("text", "variable"),
    [
        ("jwt_secret: HIDDEN", "WHETSTONE_JWT_SECRET"),
        ("bootstrap_api_key: HIDDEN", "WHETSTONE_BOOTSTRAP_API_KEY"),
        ("notify: {smtp_password: HIDDEN}", "WHETSTONE_NOTIFY__SMTP_PASSWORD"),
        ("notify: {slack_webhook_url: HIDDEN}", "WHETSTONE_NOTIFY__SLACK_WEBHOOK_URL"),
        ("postgres: {dsn: HIDDEN}", "WHETSTONE_POSTGRES__DSN"),
    ],
)
def test_a_secret_in_the_file_stops_the_start_and_is_not_shown(load, text, variable):
    with pytest.raises(InvalidInput, match=f"set {variable}") as refused:
        load(text)
    assert "HIDDEN" not in str(refused.value)


def test_the_name_of_a_secret_is_none_and_may_stand_in_the_file(load):
    found = load("{jwt_secret: 'secret://signing', secrets: secret_manager, gcp: {project: p}}")
    assert found.jwt_secret is not None
    assert found.jwt_secret.get_secret_value() == "secret://signing"


@pytest.mark.parametrize(
    ("provider", "named"),
    [
        ("{name: a, base_url: 'ftp://host', " + MODEL + "}", "base_url"),
        ("{name: a, base_url: 'https://', " + MODEL + "}", "base_url"),
        ("{name: a/b, base_url: 'http://host', " + MODEL + "}", "name"),
        ("{name: '', base_url: 'http://host', " + MODEL + "}", "name"),
    ],
)
def test_a_provider_that_could_never_be_asked_stops_the_start(load, provider, named):
    with pytest.raises(InvalidInput, match=f"providers.0.{named}"):
        load(f"providers: [{provider}]")
