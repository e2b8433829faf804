"""Makes the topology on a Pub/Sub that has none: the emulator's. On Google Cloud Terraform does."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from google.api_core.exceptions import AlreadyExists

from shared.adapters.google_errors import GOOGLE_ERRORS, unavailable
from shared.adapters.pubsub_clients import publisher_client, subscriber_client
from shared.adapters.pubsub_topology import Subscription, Topic, Topology


async def ensure_topology(
    project: str,
    wanted: Topology,
    push_to: Mapping[str, str],
    *,
    account: str | None = None,
    audience: str | None = None,
) -> None:
    """Creates the topics and subscriptions that are missing; those that are there stay.

    Args:
        project: the Google Cloud project.
        wanted: what must be there.
        push_to: the URL of each consuming function and of the monitor, without a path.
        account: the service account whose tokens accompany pushes; None sends none.
        audience: for whom they are; the function's URL where None.

    Raises:
        Unavailable: Pub/Sub does not answer, or refuses.
    """
    try:
        await _make(project, wanted, push_to, account, audience)
    except GOOGLE_ERRORS as error:
        needed = "roles/pubsub.editor"
        raise unavailable(f"Pub/Sub of {project}", error, permission=needed) from None


async def _make(
    project: str,
    wanted: Topology,
    push_to: Mapping[str, str],
    account: str | None,
    audience: str | None,
) -> None:
    publisher, subscriber = publisher_client(), subscriber_client()
    try:
        for topic in wanted.topics:
            await _ensure(publisher.create_topic, _topic(project, topic))
        for one in wanted.subscriptions:
            body = _subscription(project, one, push_to, account, audience)
            await _ensure(subscriber.create_subscription, body)
    finally:
        await publisher.transport.close()
        await subscriber.transport.close()


async def _ensure(create: Callable[..., Awaitable[object]], body: dict[str, Any]) -> None:
    try:
        await create(request=body)
    except AlreadyExists:
        return


def _topic(project: str, topic: Topic) -> dict[str, Any]:
    body: dict[str, Any] = {"name": f"projects/{project}/topics/{topic.name}"}
    if topic.retention_s:
        body["message_retention_duration"] = {"seconds": topic.retention_s}
    return body


def _subscription(
    project: str,
    one: Subscription,
    push_to: Mapping[str, str],
    account: str | None,
    audience: str | None,
) -> dict[str, Any]:
    body: dict[str, Any] = {
        "name": f"projects/{project}/subscriptions/{one.name}",
        "topic": f"projects/{project}/topics/{one.topic}",
        "ack_deadline_seconds": one.ack_deadline_s,
        "message_retention_duration": {"seconds": one.retention_s},
        "expiration_policy": {},
    }
    if one.first_backoff_s is not None:
        body["retry_policy"] = {
            "minimum_backoff": _duration(one.first_backoff_s),
            "maximum_backoff": _duration(one.longest_backoff_s),
        }
    if one.function is not None:
        url = push_to[one.function].rstrip("/")
        push: dict[str, Any] = {"push_endpoint": f"{url}{one.path}"}
        if account is not None:
            push["oidc_token"] = {
                "service_account_email": account,
                "audience": audience or url,
            }
        body["push_config"] = push
    if one.dead_letter_topic is not None:
        body["dead_letter_policy"] = {
            "dead_letter_topic": f"projects/{project}/topics/{one.dead_letter_topic}",
            "max_delivery_attempts": one.attempts,
        }
    return body


def _duration(seconds: float) -> dict[str, int]:
    return {"seconds": int(seconds), "nanos": round(seconds % 1 * 1e9)}
