"""Settings, read once: environment variables with the prefix WHETSTONE_ over `whetstone.yaml`.

A wrong or unknown value stops the start with a message that names it. Secrets come only from the
environment; they are `SecretStr`, so that printing the settings shows none.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from shared.domain.learning.config import LearningConfig
from shared.errors import InvalidInput

PREFIX = "WHETSTONE_"

VERSION = "0.1.0"
"""What runs; a test holds it against pyproject.toml."""

_LOGIN = re.compile(r"(://)[^/@\s]*@")

CLIENT_VARIABLES = frozenset({"WHETSTONE_URL", "WHETSTONE_API_KEY"})
"""Read by clients (the demo, the benchmarks), not by the system itself."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelSettings(_Section):
    """A model that requests may be routed to, with its list price."""

    model: str = Field(description="The model's name at its provider.")
    usd_per_m_input: float = Field(ge=0, description="US dollars per million input tokens.")
    usd_per_m_output: float = Field(ge=0, description="US dollars per million output tokens.")


class ProviderSettings(_Section):
    """An OpenAI-compatible endpoint and its models."""

    name: str = Field(description="The name that policies and decisions use.")
    base_url: str = Field(
        description="Where `/chat/completions` is, for example http://127.0.0.1:9000/v1."
    )
    api_key_env: str | None = Field(
        default=None, description="Environment variable that holds the key."
    )
    models: list[ModelSettings] = Field(min_length=1, description="The models that may be chosen.")

    def api_key(self) -> str:
        """Returns the key from the environment; empty where none is named or set."""
        return os.environ.get(self.api_key_env, "") if self.api_key_env else ""


class ServingSettings(_Section):
    """The decision path."""

    snapshot_poll_s: float = Field(
        default=1.0, gt=0, le=2, description="Seconds between looks for a new snapshot."
    )
    completion_timeout_s: float = Field(
        default=60.0, gt=0, le=600, description="Seconds that one provider may take."
    )
    completion_deadline_s: float = Field(
        default=120.0, gt=0, le=3600, description="Seconds that all of them together may take."
    )
    completion_attempts: int = Field(
        default=3, ge=1, le=10, description="Models to try before giving up."
    )
    expected_output_tokens: int = Field(
        default=256, ge=1, description="Assumed length of an answer when estimating cost."
    )


class NotifySettings(_Section):
    """Channels to people; those without an address are off. The log gets every notification."""

    smtp_host: str | None = Field(default=None, description="Mail server.")
    smtp_port: int = Field(default=587, ge=1, le=65535, description="Its port.")
    smtp_starttls: bool = Field(default=True, description="Encrypt the connection.")
    smtp_user: str | None = Field(default=None, description="Login, none where empty.")
    smtp_password: SecretStr | None = Field(default=None, description="Its password.")
    mail_from: str = Field(default="whetstone@localhost", description="Sender of mails.")
    mail_to: list[str] = Field(
        default_factory=list, description="Receivers of mails; none sends none."
    )
    slack_webhook_url: SecretStr | None = Field(default=None, description="Slack incoming webhook.")
    webhook_url: SecretStr | None = Field(
        default=None, description="Receiver of signed JSON notifications."
    )
    webhook_secret: SecretStr | None = Field(default=None, description="Key of their signature.")
    console_url: str = Field(
        default="http://127.0.0.1:8080", description="What links in notifications start with."
    )

    @model_validator(mode="after")
    def _whole_channels(self) -> Self:
        if self.mail_to and not self.smtp_host:
            raise ValueError("mail_to needs smtp_host as well")
        if self.webhook_url and not self.webhook_secret:
            raise ValueError("webhook_url needs webhook_secret as well, to sign what is sent")
        if self.smtp_user and not self.smtp_starttls:
            raise ValueError("smtp_user needs smtp_starttls: the password would go in the clear")
        return self


class LimitSettings(_Section):
    """Limits of requests."""

    body_bytes: int = Field(
        default=1_048_576, ge=1024, description="Largest request body, in bytes."
    )
    burst: int = Field(default=20, ge=1, description="Requests at once above that rate.")


class EventSettings(_Section):
    """Delivery of events."""

    attempts: int = Field(default=5, ge=1, le=100, description="Tries before a dead letter.")
    first_backoff_s: float = Field(
        default=1.0, gt=0, description="Seconds to the second try; doubles each time."
    )
    longest_backoff_s: float = Field(
        default=600.0, gt=0, description="Longest time between two tries, in seconds."
    )


class Settings(BaseSettings):
    """Everything that is set from outside."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    backend: Literal["embedded"] = Field(default="embedded", description="Which adapters to use.")
    data_dir: Path = Field(
        default=Path("data"), description="Where the embedded backend keeps its files."
    )
    config_file: Path = Field(default=Path("whetstone.yaml"), description="The settings file.")
    bootstrap_api_key: SecretStr | None = Field(
        default=None, description="The first admin key, of workspace `default`."
    )
    jwt_secret: SecretStr | None = Field(
        default=None,
        min_length=32,
        description="Signs people's tokens (HS256); 32 characters or more.",
    )
    commit: str | None = Field(
        default=None,
        max_length=64,
        description="The commit that was built, where no checkout tells.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe log line."
    )
    schedule_enabled: bool = Field(
        default=True, description="Run the in-process schedule (embedded only)."
    )
    idempotency_hours: int = Field(
        default=48, ge=24, description="How long an Idempotency-Key is remembered."
    )
    providers: list[ProviderSettings] = Field(
        default_factory=list, description="Models to route to."
    )
    learning: LearningConfig = Field(
        default_factory=LearningConfig, description="See LearningConfig."
    )
    serving: ServingSettings = Field(
        default_factory=ServingSettings, description="The decision path."
    )
    notify: NotifySettings = Field(
        default_factory=NotifySettings, description="Channels to people."
    )
    limits: LimitSettings = Field(default_factory=LimitSettings, description="Limits of requests.")
    events: EventSettings = Field(default_factory=EventSettings, description="Delivery of events.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic passes all five
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment over file; `load` hands in the file as init values."""
        return env_settings, init_settings


def load() -> Settings:
    """Returns the settings from the environment and the settings file.

    Raises:
        InvalidInput: a value is wrong or unknown; the message names each, and where it was read.
    """
    _refuse_unknown(os.environ)
    named = os.environ.get(f"{PREFIX}CONFIG_FILE")
    try:
        return Settings(**_read(Path(named or "whetstone.yaml"), required=named is not None))
    except ValidationError as error:
        lines = [f"{_variable(problem['loc'])}: {problem['msg']}" for problem in error.errors()]
        raise InvalidInput("the settings are wrong:\n  " + "\n  ".join(lines)) from None


def without_secrets(settings: Settings) -> dict[str, JsonValue]:
    """Returns every setting as JSON; of a secret only whether it is set, and no login in a URL."""
    return {name: _shown(getattr(settings, name)) for name in type(settings).model_fields}


def _shown(value: object) -> JsonValue:
    if isinstance(value, SecretStr):
        return "(set)"
    if isinstance(value, BaseModel):
        return {name: _shown(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        return {str(name): _shown(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_shown(one) for one in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return _LOGIN.sub(r"\1", str(value))


def _read(path: Path, *, required: bool) -> dict[str, Any]:
    if not path.exists():
        if required:
            raise InvalidInput(f"the settings file {path} does not exist")
        return {}
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except yaml.YAMLError as error:
        raise InvalidInput(f"the settings file {path} is not YAML: {error}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InvalidInput(f"the settings file {path} must hold a mapping of names to values")
    return {str(name): value for name, value in content.items()}


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields} | CLIENT_VARIABLES
    for name in environ:
        if name.startswith(PREFIX) and name.split("__")[0] not in known:
            raise InvalidInput(
                f"the environment variable {name} is not a setting; see docs/configuration.md"
            )


def _variable(location: tuple[int | str, ...]) -> str:
    names = [str(part) for part in location]
    return f"{'.'.join(names)} (or {PREFIX}{'__'.join(names).upper()})"
