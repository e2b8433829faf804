"""Signing keys are fetched when they are needed, kept as long as allowed, and survive an outage."""

import asyncio

import pytest

from localcloud.issuer import KEYS_S, IssuerServer
from shared.adapters.signing_keys_jwks import PAUSE_S, STALE_S, USUAL_S, JwksSigningKeys, _kept_s
from shared.errors import InvalidInput, Unavailable
from tests.fakes.clock import ManualClock

pytestmark = pytest.mark.contract


def run(scenario):
    async def played():
        clock = ManualClock()
        with IssuerServer() as server:
            keys = JwksSigningKeys(server.jwks_url, clock)
            try:
                await scenario(server, keys, clock)
            finally:
                await keys.close()

    asyncio.run(played())


def test_nothing_is_fetched_before_it_is_needed_and_then_once():
    async def scenario(server, keys, clock):
        assert server.asked == 0
        found = await asyncio.gather(*(keys.get("key-1") for _ in range(20)))
        assert {one["kty"] for one in found} == {"RSA"}
        clock.advance(KEYS_S - 1)
        assert await keys.get("key-1")
        assert server.asked == 1

    run(scenario)


def test_keys_are_fetched_again_when_they_are_old():
    async def scenario(server, keys, clock):
        await keys.get("key-1")
        server.signer.rotate()
        server.signer.retire("key-1")
        clock.advance(KEYS_S)
        assert await keys.get("key-1") is None
        assert await keys.get("key-2")
        assert server.asked == 2

    run(scenario)


def test_unknown_keys_make_it_look_again_but_not_for_each_of_them():
    async def scenario(server, keys, clock):
        await keys.get("key-1")
        clock.advance(PAUSE_S)
        assert [await keys.get(f"forged-{number}") for number in range(50)] == [None] * 50
        assert server.asked == 2
        server.signer.rotate()
        assert await keys.get("key-2") is None
        clock.advance(PAUSE_S)
        assert await keys.get("key-2")
        assert server.asked == 3

    run(scenario)


def test_known_keys_hold_for_a_day_while_the_signer_is_away():
    async def scenario(server, keys, clock):
        await keys.get("key-1")
        server.status = 500
        clock.advance(KEYS_S)
        assert await keys.get("key-1")
        clock.advance(STALE_S - 1)
        assert await keys.get("key-1")
        clock.advance(PAUSE_S)
        with pytest.raises(Unavailable):
            await keys.get("key-1")
        server.status = 200
        clock.advance(PAUSE_S)
        assert await keys.get("key-1")

    run(scenario)


def test_a_signer_that_never_answered_is_asked_again_after_a_pause():
    async def scenario(server, keys, clock):
        server.status = 404
        for _ in range(5):
            with pytest.raises(Unavailable):
                await keys.get("key-1")
        assert server.asked == 1
        server.status = 200
        clock.advance(PAUSE_S)
        assert await keys.get("key-1")

    run(scenario)


@pytest.mark.parametrize(
    "said", [{}, {"keys": {}}, {"keys": []}, {"keys": [1]}, {"keys": [{"kty": "RSA"}]}, []]
)
def test_an_answer_that_is_no_key_set_is_an_outage(said):
    async def scenario(server, keys, clock):
        server.signer.public = lambda: said
        with pytest.raises(Unavailable):
            await keys.get("key-1")

    run(scenario)


def test_no_connection_is_an_outage():
    async def scenario():
        keys = JwksSigningKeys("http://127.0.0.1:9/certs", ManualClock())
        with pytest.raises(Unavailable):
            await keys.get("key-1")
        await keys.close()

    asyncio.run(scenario())


def test_keys_serve_another_event_loop_as_well():
    clock = ManualClock()
    with IssuerServer() as server:
        keys = JwksSigningKeys(server.jwks_url, clock)

        async def once():
            clock.advance(KEYS_S)
            assert await keys.get("key-1")
            await keys.close()

        asyncio.run(once())
        asyncio.run(once())
        assert server.asked == 2


@pytest.mark.parametrize(
    "url", ["http://keys.example.com/certs", "ftp://x/y", "certs", "http://127.0.0.1.example.com/"]
)
def test_keys_come_over_https_or_from_this_machine(url):
    with pytest.raises(InvalidInput):
        JwksSigningKeys(url, ManualClock())


@pytest.mark.parametrize(
    ("said", "kept_s"),
    [
        ("", USUAL_S),
        ("no-store", USUAL_S),
        ("public, max-age=20000, must-revalidate", 20_000),
        ("max-age=0", 60),
        ("MAX-AGE=999999999", 86_400),
        ("s-max-age=5", USUAL_S),
        ("max-age=nonsense", USUAL_S),
    ],
)
def test_the_signer_says_how_long_its_keys_hold_within_bounds(said, kept_s):
    assert _kept_s(said) == kept_s
