"""Groups of settings that Google Cloud and PostgreSQL need; on the embedded backend none is read.

Where the emulators run (FIRESTORE_EMULATOR_HOST and the like) is the SDKs' own business.
"""

from typing import Literal

from pydantic import Field, SecretStr

from shared.config.sections import Section


class GcpSettings(Section):
    """Google Cloud: where things are, and whom the functions believe."""

    project: str | None = Field(default=None, description="The project's id.")
    region: str | None = Field(
        default=None, description="Of Cloud Scheduler and Vertex AI, for example europe-west1."
    )
    firestore_database: str = Field(
        default="(default)", min_length=1, description="The Firestore database's id."
    )
    counter_shards: int = Field(
        default=16,
        ge=1,
        le=256,
        description="Over how many documents Firestore spreads one counter.",
    )
    document_pace_s: float = Field(
        default=1.0,
        ge=0,
        description="Seconds between two writes of what publications share; Firestore bears one.",
    )
    bucket: str | None = Field(default=None, description="The Cloud Storage bucket of objects.")
    object_prefix: str = Field(
        default="", description="What the names of objects in the bucket begin with."
    )
    index_room_mib: int = Field(
        default=512,
        ge=16,
        description="Memory of an instance, in MiB, for search indexes: their files are on its "
        "disk, which is memory there. About half of what it has.",
    )
    topic_prefix: str = Field(
        default="whetstone",
        pattern=r"^[a-z][a-z0-9-]*$",
        description="What the names of topics and subscriptions begin with.",
    )
    push_service_accounts: list[str] = Field(
        default_factory=list,
        description="E-mails of the service accounts that may push events and start jobs.",
    )
    push_audience: str | None = Field(
        default=None, description="The audience that their tokens must carry."
    )
    push_issuer: str = Field(
        default="https://accounts.google.com", description="Who must have signed them."
    )
    push_jwks_url: str = Field(
        default="https://www.googleapis.com/oauth2/v3/certs",
        description="Where the signer's public keys are.",
    )
    scheduler_prefix: str = Field(
        default="whetstone", description="What the names of Cloud Scheduler's jobs begin with."
    )


class PostgresSettings(Section):
    """PostgreSQL: by an address, or through the Cloud SQL connector with IAM login."""

    dsn: SecretStr | None = Field(
        default=None, description="Address with login: postgresql://user:password@host/database."
    )
    instance: str | None = Field(
        default=None, description="Cloud SQL instance instead of an address: project:region:name."
    )
    user: str | None = Field(default=None, description="The IAM user that the instance knows.")
    database: str = Field(default="whetstone", description="The instance's database.")
    network: Literal["private", "public", "psc"] = Field(
        default="private", description="The way to the instance; private is that of a VPC."
    )
    pool_size: int = Field(
        default=4, ge=1, le=100, description="Connections of one function's instance, at most."
    )


class BigQuerySettings(Section):
    """BigQuery, where evidence is summed up where `analytics` says so."""

    dataset: str = Field(
        default="whetstone",
        pattern=r"^[A-Za-z0-9_]+$",
        description="The dataset of the evidence tables.",
    )


class VertexSettings(Section):
    """Vertex AI, which turns text into vectors where `embedder` says so."""

    region: str | None = Field(
        default=None, description="Where the model runs, or `global`; as gcp.region where not set."
    )
    model: str = Field(default="text-embedding-005", description="The embedding model.")
    dimensions: int = Field(default=768, ge=1, le=3072, description="Numbers in a vector.")
    query_timeout_s: float = Field(
        default=1.0,
        gt=0,
        le=30,
        description="Seconds that a search waits for its vector before it goes by words alone.",
    )
