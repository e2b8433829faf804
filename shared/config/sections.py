"""Groups of settings that every backend has."""

import os
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from shared.domain.models import MAX_USD_PER_M


class Section(BaseModel):
    """A group of settings: read once, and nothing unknown in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _http_address(given: str) -> str:
    parts = urlsplit(given)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an http or https address")
    return given


class ModelSettings(Section):
    """A model that requests may be routed to, with its list price."""

    model: str = Field(description="The model's name at its provider.")
    usd_per_m_input: float = Field(
        ge=0, le=MAX_USD_PER_M, description="US dollars per million input tokens."
    )
    usd_per_m_output: float = Field(
        ge=0, le=MAX_USD_PER_M, description="US dollars per million output tokens."
    )


class ProviderSettings(Section):
    """An OpenAI-compatible endpoint and its models."""

    name: str = Field(
        min_length=1,
        max_length=200,
        pattern=r"^[^/]+$",
        description="The name that policies and decisions use, without a slash.",
    )
    base_url: Annotated[str, AfterValidator(_http_address)] = Field(
        description="Where `/chat/completions` is, for example http://127.0.0.1:9000/v1."
    )
    api_key_env: str | None = Field(
        default=None, description="Environment variable that holds the key."
    )
    models: list[ModelSettings] = Field(min_length=1, description="The models that may be chosen.")

    def api_key(self) -> str:
        """Returns the key from the environment; empty where none is named or set."""
        return os.environ.get(self.api_key_env, "") if self.api_key_env else ""


class ServingSettings(Section):
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


class NotifySettings(Section):
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
        default="http://127.0.0.1:8080",
        description="What links in notifications start with; `whetstone serve` takes its own "
        "address where this is not set.",
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


class LimitSettings(Section):
    """Limits of requests."""

    body_bytes: int = Field(
        default=1_048_576, ge=1024, description="Largest request body, in bytes."
    )
    burst: int = Field(default=20, ge=1, description="Requests at once above that rate.")


class EventSettings(Section):
    """Delivery of events."""

    attempts: int = Field(default=10, ge=1, le=100, description="Tries before a dead letter.")
    first_backoff_s: float = Field(
        default=1.0, gt=0, description="Seconds to the second try; doubles each time."
    )
    longest_backoff_s: float = Field(
        default=600.0, gt=0, description="Longest time between two tries, in seconds."
    )


class BackupSettings(Section):
    """Daily backups by the job `backup`; the commands `backup` and `restore` name their place."""

    place: str | None = Field(
        default=None,
        min_length=1,
        description="A folder, or gs://bucket/prefix; the job does nothing where not set.",
    )
    keep_days: int = Field(
        default=30, ge=1, description="Days after which an older backup is removed."
    )
    budget_s: float = Field(
        default=1_500.0,
        gt=0,
        le=3_300,
        description="Seconds that one call of the job may take; the next one goes on.",
    )
