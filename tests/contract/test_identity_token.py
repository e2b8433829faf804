"""A command on a machine with a service account proves the system as Cloud Scheduler does."""

import asyncio

import pytest

from localcloud.issuer import IssuerServer
from localcloud.plan import ACCOUNT, AUDIENCE
from shared import bootstrap, config
from shared.adapters.clock_system import SystemClock
from shared.adapters.identity_token import HOST_VARIABLE, identity_token
from shared.adapters.signing_keys_jwks import JwksSigningKeys
from shared.errors import NotAuthenticated, Unavailable
from shared.web.oidc import ServiceTokens
from tests.support.server import free_port

pytestmark = pytest.mark.contract


@pytest.fixture
def issuer(monkeypatch):
    with IssuerServer() as server:
        monkeypatch.setenv(HOST_VARIABLE, server.url.removeprefix("http://"))
        yield server


def caller_of(token, issuer):
    clock = SystemClock()
    keys = JwksSigningKeys(issuer.jwks_url, clock)
    believed = {"issuer": issuer.url, "audience": AUDIENCE, "accounts": [ACCOUNT]}
    return asyncio.run(ServiceTokens(keys, clock, **believed).verify(token.encode()))


def test_the_token_of_this_machines_account_proves_the_system(issuer):
    caller = caller_of(identity_token(AUDIENCE), issuer)
    assert (caller.system, caller.subject) == (True, "system:invoker")


def test_a_token_for_someone_else_proves_nothing(issuer):
    with pytest.raises(NotAuthenticated):
        caller_of(identity_token("https://elsewhere.test"), issuer)


def test_a_machine_without_an_account_says_so_and_what_to_do(monkeypatch):
    monkeypatch.setenv(HOST_VARIABLE, f"127.0.0.1:{free_port()}")
    with pytest.raises(Unavailable, match="no service account"):
        identity_token(AUDIENCE)


def test_what_is_no_metadata_server_gives_no_token(issuer, monkeypatch):
    monkeypatch.setattr("shared.adapters.identity_token.PLACE", "/elsewhere")
    with pytest.raises(Unavailable, match="no service account"):
        identity_token(AUDIENCE)


def test_where_only_service_accounts_are_believed_commands_have_their_token(issuer, monkeypatch):
    gcp = {"push_service_accounts": [ACCOUNT], "push_audience": AUDIENCE}
    monkeypatch.setattr(bootstrap, "settings", lambda: config.Settings(gcp=gcp))
    assert caller_of(bootstrap.system_token(), issuer).system
