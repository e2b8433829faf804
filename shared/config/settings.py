"""Settings, read once: environment variables with the prefix WHETSTONE_ over `whetstone.yaml`.

A wrong or unknown value stops the start with a message that names it. Secrets come only from the
environment; they are `SecretStr`, so that printing the settings shows none.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeGuard, get_args

import yaml
from pydantic import AfterValidator, BaseModel, Field, JsonValue, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from shared.config import choices
from shared.config.choices import (
    AnalyticsChoice,
    Backend,
    BlobsChoice,
    BusChoice,
    Choices,
    EmbedderChoice,
    ScheduleChoice,
    SecretsChoice,
    StoreChoice,
)
from shared.config.cloud import BigQuerySettings, GcpSettings, PostgresSettings, VertexSettings
from shared.config.console import ConsoleSettings
from shared.config.sections import (
    BackupSettings,
    EventSettings,
    LimitSettings,
    NotifySettings,
    ProviderSettings,
    ServingSettings,
)
from shared.domain.learning.config import LearningConfig
from shared.domain.secrets import is_reference
from shared.errors import InvalidInput

PREFIX = "WHETSTONE_"

VERSION = "0.1.0"
"""What runs; a test holds it against pyproject.toml."""

_LOGIN = re.compile(r"(://)[^/@\s]*@")

CLIENT_VARIABLES = frozenset({"WHETSTONE_URL", "WHETSTONE_API_KEY"})
"""Read by clients (the demo, the benchmarks), not by the system itself."""

LEAST_SIGNING = 32
"""Characters of the secret that signs people's tokens."""

_INSTANCE = "K_SERVICE"
"""Set by Google Cloud in each instance of a function, and by `make run-cloud`."""

_REVISION = "K_REVISION"
"""As `_INSTANCE`."""


def _long_enough(given: SecretStr) -> SecretStr:
    value = given.get_secret_value()
    if len(value) < LEAST_SIGNING and not is_reference(value):
        raise ValueError(f"needs {LEAST_SIGNING} characters or more")
    return given


class Settings(BaseSettings):
    """Everything that is set from outside."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    backend: Backend = Field(
        default="embedded",
        description="One switch for all ports below: what runs here, or Google Cloud's own.",
    )
    store: StoreChoice | None = Field(
        default=None, description="Where records are; as `backend` says where not set."
    )
    blobs: BlobsChoice | None = Field(
        default=None, description="Where objects are, and with them the index; as `store`."
    )
    bus: BusChoice | None = Field(default=None, description="What carries events; as `store`.")
    analytics: AnalyticsChoice | None = Field(
        default=None, description="What sums up evidence: the store itself unless set."
    )
    embedder: EmbedderChoice | None = Field(
        default=None, description="What turns text into vectors for search; as `store`."
    )
    secrets: SecretsChoice | None = Field(
        default=None, description="Where secrets are looked up; as `store`."
    )
    schedule: ScheduleChoice | None = Field(
        default=None, description="What starts the jobs; as `store`."
    )
    data_dir: Path = Field(
        default=Path("data"), description="Where the embedded backend keeps its files."
    )
    config_file: Path = Field(default=Path("whetstone.yaml"), description="The settings file.")
    bootstrap_api_key: SecretStr | None = Field(
        default=None, description="The first admin key, of workspace `default`."
    )
    jwt_secret: Annotated[SecretStr, AfterValidator(_long_enough)] | None = Field(
        default=None, description="Signs people's tokens (HS256); 32 characters or more."
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
    backup: BackupSettings = Field(default_factory=BackupSettings, description="Daily backups.")
    console: ConsoleSettings = Field(default_factory=ConsoleSettings, description="The pages.")
    gcp: GcpSettings = Field(default_factory=GcpSettings, description="Google Cloud.")
    postgres: PostgresSettings = Field(
        default_factory=PostgresSettings, description="Cloud SQL for PostgreSQL."
    )
    bigquery: BigQuerySettings = Field(default_factory=BigQuerySettings, description="BigQuery.")
    vertex: VertexSettings = Field(default_factory=VertexSettings, description="Vertex AI.")

    @property
    def chosen(self) -> Choices:
        """Returns what stands behind each port: what is set, else what `backend` brings."""
        return choices.resolved(
            self.backend,
            store=self.store,
            blobs=self.blobs,
            bus=self.bus,
            analytics=self.analytics,
            embedder=self.embedder,
            secrets=self.secrets,
            schedule=self.schedule,
        )

    @property
    def revision(self) -> str:
        """Returns the deployed revision that runs, as Google Cloud says; empty elsewhere."""
        return os.environ.get(_REVISION, "")

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
        InvalidInput: a value is wrong or unknown, or does not go with another; the message names
            each, and where it was read or what to set instead.
    """
    _refuse_unknown(os.environ)
    named = os.environ.get(f"{PREFIX}CONFIG_FILE")
    file = _read(Path(named or "whetstone.yaml"), required=named is not None)
    if held := [*_secrets_in(file, Settings)]:
        raise _wrong(held)
    try:
        found = Settings(**file)
    except ValidationError as error:
        lines = [f"{_variable(problem['loc'])}: {problem['msg']}" for problem in error.errors()]
        raise _wrong(lines) from None
    if refused := choices.refusals(found, alone=_INSTANCE in os.environ):
        raise _wrong(refused)
    return found


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


def _secrets_in(
    held: Mapping[str, object], model: type[BaseModel], path: tuple[str, ...] = ()
) -> Iterator[str]:
    """Yields what is wrong with secrets that a file holds; it may name them elsewhere."""
    for name, field in model.model_fields.items():
        kinds = [field.annotation, *get_args(field.annotation)]
        value, place = held.get(name), (*path, name)
        inner = next((one for one in kinds if _is_group(one)), None)
        if isinstance(value, Mapping) and inner is not None:
            yield from _secrets_in(value, inner, place)
        is_secret = any(one is SecretStr or SecretStr in get_args(one) for one in kinds)
        if is_secret and value and not is_reference(str(value)):
            variable = f"{PREFIX}{'__'.join(place).upper()}"
            yield f"{'.'.join(place)}: is a secret, which no file may hold; set {variable}"


def _is_group(kind: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields} | CLIENT_VARIABLES
    for name in environ:
        if name.startswith(PREFIX) and name.split("__")[0] not in known:
            raise InvalidInput(
                f"the environment variable {name} is not a setting; see docs/configuration.md"
            )


def _wrong(lines: Iterable[str]) -> InvalidInput:
    return InvalidInput("the settings are wrong:\n  " + "\n  ".join(lines))


def _variable(location: tuple[int | str, ...]) -> str:
    names = [str(part) for part in location]
    return f"{'.'.join(names)} (or {PREFIX}{'__'.join(names).upper()})"
