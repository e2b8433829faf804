"""A secret that was rotated in Secret Manager is used by whoever holds it, without a restart."""

import asyncio
import json

import pytest

from shared.adapters.notifier_slack import SlackNotifier
from shared.adapters.notifier_webhook import WebhookNotifier, verify
from shared.adapters.provider_openai import OpenAIProvider
from shared.adapters.secret_vault import TTL_S, SecretVault
from shared.adapters.secrets_gcp import SecretManagerSecrets
from shared.errors import NotAuthenticated, Unavailable
from shared.ports import ChatMessage, CompletionRequest, Notification
from shared.web.guard import Guard, mint
from tests.fakes.clock import START, ManualClock
from tests.fakes.http_receiver import HttpReceiver
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.secret_manager import SecretManagerServer

pytestmark = pytest.mark.contract

NOTE = Notification("acme", "evt_1", "entry.submitted", "New entry", {}, "")
ASKED = CompletionRequest("small", (ChatMessage("user", "hello"),))
OLD, NEW = "old-secret-of-more-than-32-letters", "new-secret-of-more-than-32-letters"


class World:
    """A secret of two versions, the second of which comes when `rotate` says so."""

    def __init__(self, server):
        self.server = server
        self.clock = ManualClock()
        self.source = SecretManagerSecrets("local", endpoint=server.endpoint)
        self.vault = SecretVault(self.source, self.clock, start=lambda work: work())

    def secret(self, value):
        self.server.add("it", value.encode())
        return self.vault.secret("secret://it")

    def rotate(self, secret, value):
        self.server.add("it", value.encode())
        self.clock.advance(TTL_S)
        secret()


@pytest.fixture
def world():
    with SecretManagerServer() as server:
        world = World(server)
        yield world
        world.source.close()


def test_tokens_are_verified_with_the_new_key_alone(world):
    secret = world.secret(OLD)
    guard = Guard(None, world.clock, secret)

    def enters(key):
        token = mint(key, "ada", "acme", "admin", START.timestamp() + 86_400)
        headers = {b"authorization": f"Bearer {token}".encode()}
        return asyncio.run(guard.authenticate(headers)).subject

    assert enters(OLD) == "ada"
    with pytest.raises(NotAuthenticated):
        enters(NEW)
    world.rotate(secret, NEW)
    assert enters(NEW) == "ada"
    with pytest.raises(NotAuthenticated):
        enters(OLD)


def test_a_provider_is_sent_the_new_key(world):
    secret = world.secret("old-key")

    async def work(url):
        provider = OpenAIProvider("local", url, secret)
        await provider.complete(ASKED, timeout_s=5)
        world.rotate(secret, "new-key")
        await provider.complete(ASKED, timeout_s=5)
        world.rotate(secret, "no-key-\u00e4")
        with pytest.raises(Unavailable, match="new key of the provider local"):
            await provider.complete(ASKED, timeout_s=5)
        await provider.close()

    with OpenAIServer() as server:
        asyncio.run(work(server.base_url))
        keys = [one.headers["Authorization"] for one in server.received]
    assert keys == ["Bearer old-key", "Bearer new-key"]


def test_a_webhook_is_signed_with_the_new_secret(world):
    secret = world.secret(OLD)
    with HttpReceiver() as receiver:

        async def work():
            webhook = WebhookNotifier(receiver.url, secret, world.clock)
            await webhook.notify(NOTE)
            world.rotate(secret, NEW)
            await webhook.notify(NOTE)
            await webhook.close()

        asyncio.run(work())
        now_s = world.clock.now().timestamp()
        for key, delivery in zip((OLD, NEW), receiver.deliveries, strict=True):
            header = delivery.headers["X-Whetstone-Signature"]
            verify(key, header, delivery.body, now_s=now_s, tolerance_s=TTL_S)


def test_slack_is_posted_to_the_new_address(world):
    with HttpReceiver() as receiver:
        secret = world.secret(receiver.url + "/old")

        async def work():
            slack = SlackNotifier(secret)
            await slack.notify(NOTE)
            world.rotate(secret, receiver.url + "/new")
            await slack.notify(NOTE)
            await slack.close()

        asyncio.run(work())
        assert [one.path for one in receiver.deliveries] == ["/old", "/new"]
        assert all("New entry" in json.loads(one.body)["text"] for one in receiver.deliveries)
