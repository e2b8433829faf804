"""Where evidence is summed up: in the store, or in BigQuery, which a feed of rows fills."""

from collections.abc import Callable
from typing import assert_never

from shared.config import Settings
from shared.ports import Analytics, EvidenceFeed, EvidenceLog, Store


def analytics(chosen: Settings, of_store: Callable[[], Analytics]) -> Analytics:
    """Returns what sums up the evidence; `of_store` gives what does so in the store."""
    match chosen.chosen.analytics:
        case "store":
            return of_store()
        case "bigquery":
            from shared.adapters.analytics_bigquery import BigQueryAnalytics

            return BigQueryAnalytics(chosen.gcp.project or "", chosen.bigquery.dataset)
        case never:
            assert_never(never)


def feed(chosen: Settings) -> EvidenceFeed | None:
    """Returns what carries rows to BigQuery; None where the store sums them up itself."""
    match chosen.chosen.analytics:
        case "store":
            return None
        case "bigquery":
            from shared.adapters.feed_pubsub import PubSubFeed

            return PubSubFeed(chosen.gcp.project or "", prefix=chosen.gcp.topic_prefix)
        case never:
            assert_never(never)


def log(chosen: Settings, store: Store) -> EvidenceLog:
    """Returns the rows of the store's evidence."""
    match chosen.chosen.store:
        case "firestore":
            return _firestore(store)
        case "postgres":
            return _postgres(store)
        case "sqlite":
            return _sqlite(store)
        case never:
            assert_never(never)


def _firestore(store: Store) -> EvidenceLog:
    from shared.adapters.evidence_firestore import FirestoreEvidence
    from shared.adapters.store_firestore import FirestoreStore

    assert isinstance(store, FirestoreStore)  # noqa: S101 -- the same setting has chosen it
    return FirestoreEvidence(store)


def _postgres(store: Store) -> EvidenceLog:
    from shared.adapters.evidence_postgres import PostgresEvidence
    from shared.adapters.store_postgres import PostgresStore

    assert isinstance(store, PostgresStore)  # noqa: S101 -- as above
    return PostgresEvidence(store.pool)


def _sqlite(store: Store) -> EvidenceLog:
    from shared.adapters.evidence_sqlite import SqliteEvidence
    from shared.adapters.store_sqlite import SqliteStore

    assert isinstance(store, SqliteStore)  # noqa: S101 -- as above
    return SqliteEvidence(store.path)
