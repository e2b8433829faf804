"""Settings, read once: environment variables with the prefix WHETSTONE_ over `whetstone.yaml`."""

from shared.config.choices import Choices
from shared.config.cloud import BigQuerySettings, GcpSettings, PostgresSettings, VertexSettings
from shared.config.sections import (
    BackupSettings,
    EventSettings,
    LimitSettings,
    ModelSettings,
    NotifySettings,
    ProviderSettings,
    ServingSettings,
)
from shared.config.settings import (
    CLIENT_VARIABLES,
    LEAST_SIGNING,
    PREFIX,
    VERSION,
    Settings,
    load,
    without_secrets,
)

__all__ = [
    "CLIENT_VARIABLES",
    "LEAST_SIGNING",
    "PREFIX",
    "VERSION",
    "BackupSettings",
    "BigQuerySettings",
    "Choices",
    "EventSettings",
    "GcpSettings",
    "LimitSettings",
    "ModelSettings",
    "NotifySettings",
    "PostgresSettings",
    "ProviderSettings",
    "ServingSettings",
    "Settings",
    "VertexSettings",
    "load",
    "without_secrets",
]
