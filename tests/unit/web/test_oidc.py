"""Only tokens that the issuer signed, for us, by our service accounts, prove the system."""

import base64
import json

import jwt
import pytest

from localcloud.issuer import IssuerServer, Signer
from shared.adapters.signing_keys_jwks import JwksSigningKeys
from shared.errors import NotAllowed, NotAuthenticated, Unavailable
from shared.web.guard import SYSTEM, Guard, authorize, needs
from shared.web.oidc import ALGORITHM, LEEWAY_S, ServiceTokens
from tests.support.system import JWT_SECRET, play

AUDIENCE = "https://whetstone.test"
ACCOUNT = "invoker@project.iam.gserviceaccount.com"
ISSUER = "https://accounts.google.com"


class Known:
    """The keys of a signer, at hand."""

    def __init__(self, signer):
        self.signer = signer

    async def get(self, key_id):
        return next((key for key in self.signer.public()["keys"] if key["kid"] == key_id), None)

    async def close(self):
        pass


def make_guard(system, keys, **changes):
    facts = {"issuer": ISSUER, "audience": AUDIENCE, "accounts": [ACCOUNT], **changes}
    tokens = ServiceTokens(keys, system.clock, **facts)
    return Guard(system.store, system.clock, JWT_SECRET, tokens)


def bearer(token):
    return {b"authorization": b"Bearer " + (token if isinstance(token, bytes) else token.encode())}


@pytest.fixture(scope="module")
def signer():
    return Signer(ISSUER)


def now(system):
    return system.clock.now().timestamp()


def test_a_token_of_our_service_account_is_the_system_and_nothing_else(tmp_path, signer):
    async def scenario(system):
        token = signer.mint(AUDIENCE, ACCOUNT, now_s=now(system))
        found = await make_guard(system, Known(signer)).authenticate(bearer(token))
        assert (found.subject, found.system, found.role) == ("system:invoker", True, None)
        authorize(found, SYSTEM)
        with pytest.raises(NotAllowed):
            authorize(found, needs("admin", role="viewer"))

    play(tmp_path, scenario)


def test_google_names_itself_with_and_without_https(tmp_path, signer):
    async def scenario(system):
        guard = make_guard(system, Known(signer))
        for issuer in (ISSUER, "accounts.google.com"):
            token = signer.mint(AUDIENCE, ACCOUNT, now_s=now(system), iss=issuer)
            assert (await guard.authenticate(bearer(token))).system

    play(tmp_path, scenario)


def test_an_account_is_the_same_however_it_is_written(tmp_path, signer):
    async def scenario(system):
        guard = make_guard(system, Known(signer), accounts=[ACCOUNT.upper()])
        token = signer.mint(AUDIENCE, ACCOUNT, now_s=now(system))
        assert (await guard.authenticate(bearer(token))).system

    play(tmp_path, scenario)


WRONG = {
    "another issuer": {"iss": "https://accounts.example.com"},
    "an issuer that begins like Google": {"iss": "https://accounts.google.com.example.com"},
    "another audience": {"aud": "https://elsewhere.test"},
    "our audience as a beginning": {"aud": AUDIENCE + "/more"},
    "no audience": {"aud": None},
    "another account": {"email": "stranger@project.iam.gserviceaccount.com"},
    "no account": {"email": None},
    "an account that is a list": {"email": [ACCOUNT]},
    "an unverified e-mail": {"email_verified": False},
    "an e-mail verified in words": {"email_verified": "true"},
    "nothing about the e-mail": {"email_verified": None},
    "no expiry": {"exp": None},
    "an expiry in words": {"exp": "never"},
    "a true expiry": {"exp": True},
    "no issue time": {"iat": None},
    "no subject": {"sub": None},
    "no issuer": {"iss": None},
}


@pytest.mark.parametrize("changes", WRONG.values(), ids=WRONG)
def test_a_token_with_one_thing_wrong_is_refused(tmp_path, signer, changes, caplog):
    async def scenario(system):
        token = signer.mint(AUDIENCE, ACCOUNT, now_s=now(system), **changes)
        with pytest.raises(NotAuthenticated) as refused:
            await make_guard(system, Known(signer)).authenticate(bearer(token))
        assert refused.value.detail == "this token does not verify"
        assert "oidc.refused" in caplog.text

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("changes", "accepted"),
    [
        ({"exp": LEEWAY_S * -1 + 1}, True),
        ({"exp": LEEWAY_S * -1}, False),
        ({"iat": LEEWAY_S}, True),
        ({"iat": LEEWAY_S + 1}, False),
        ({"nbf": LEEWAY_S}, True),
        ({"nbf": LEEWAY_S + 1}, False),
    ],
)
def test_clocks_may_differ_by_the_leeway_and_no_more(tmp_path, signer, changes, accepted):
    async def scenario(system):
        times = {name: int(now(system) + seconds) for name, seconds in changes.items()}
        token = signer.mint(AUDIENCE, ACCOUNT, now_s=now(system), **times)
        try:
            found = await make_guard(system, Known(signer)).authenticate(bearer(token))
        except NotAuthenticated:
            assert not accepted
        else:
            assert accepted
            assert found.system

    play(tmp_path, scenario)


def encoded(part):
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")


def forged(system, signer, header):
    """Returns a token with a header of our choice and a signature that cannot be right."""
    claims = jwt.decode(
        signer.mint(AUDIENCE, ACCOUNT, now_s=now(system)), options={"verify_signature": False}
    )
    return b".".join([encoded(header), encoded(claims), b"AAAA"])


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none", "kid": "key-1"},
        {"alg": "None", "kid": "key-1"},
        {"alg": "RS256", "kid": "key-1"},
        {"alg": "RS256", "kid": "unknown"},
        {"alg": "RS256", "kid": "k" * 1_000},
        {"alg": "RS256", "kid": 7},
        {"alg": "RS256"},
        {"alg": "RS512", "kid": "key-1"},
        {"alg": "ES256", "kid": "key-1"},
        {"kid": "key-1"},
        {},
    ],
    ids=str,
)
def test_a_header_of_ones_own_choice_opens_nothing(tmp_path, signer, header):
    async def scenario(system):
        guard = make_guard(system, Known(signer))
        with pytest.raises(NotAuthenticated):
            await guard.authenticate(bearer(forged(system, signer, header)))

    play(tmp_path, scenario)


def test_the_public_key_does_not_sign_as_a_secret(tmp_path, signer):
    async def scenario(system):
        token = signer.mint(AUDIENCE, ACCOUNT, now_s=now(system))
        claims = jwt.decode(token, options={"verify_signature": False})
        claims |= {"workspace": "default", "role": "system"}
        import hashlib
        import hmac

        for secret in (signer.public_pem(), json.dumps(signer.public()["keys"][0]).encode()):
            head = encoded({"alg": "HS256", "kid": signer.key_id}) + b"." + encoded(claims)
            signature = hmac.digest(secret, head, hashlib.sha256)
            forgery = head + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")
            with pytest.raises(NotAuthenticated):
                await make_guard(system, Known(signer)).authenticate(bearer(forgery))

    play(tmp_path, scenario)


def test_another_signers_key_under_our_issuers_key_id_is_refused(tmp_path, signer):
    async def scenario(system):
        other = Signer(ISSUER)
        assert other.key_id == signer.key_id
        token = other.mint(AUDIENCE, ACCOUNT, now_s=now(system))
        with pytest.raises(NotAuthenticated):
            await make_guard(system, Known(signer)).authenticate(bearer(token))

    play(tmp_path, scenario)


class Published:
    """Any JWK, whatever it is asked for."""

    def __init__(self, jwk):
        self.jwk = jwk

    async def get(self, key_id):
        return self.jwk


@pytest.mark.parametrize("jwk", [{}, {"kty": "oct", "k": "c2VjcmV0"}, {"kty": "RSA"}])
def test_a_published_key_that_is_no_rsa_key_verifies_nothing(tmp_path, signer, jwk):
    async def scenario(system):
        token = signer.mint(AUDIENCE, ACCOUNT, now_s=now(system))
        with pytest.raises(NotAuthenticated):
            await make_guard(system, Published(jwk)).authenticate(bearer(token))

    play(tmp_path, scenario)


def test_where_service_accounts_call_our_own_token_proves_only_people(tmp_path, signer):
    async def scenario(system):
        guard = make_guard(system, Known(signer))
        with pytest.raises(NotAuthenticated):
            await guard.authenticate(bearer(system.token("schedule", "system")))
        person = await guard.authenticate(bearer(system.token("ada", "reviewer")))
        assert (person.subject, person.role, person.system) == ("ada", "reviewer", False)

    play(tmp_path, scenario)


def test_where_our_own_token_is_used_a_service_accounts_is_not_looked_at(tmp_path, signer):
    async def scenario(system):
        token = signer.mint(AUDIENCE, ACCOUNT, now_s=now(system))
        with pytest.raises(NotAuthenticated):
            await Guard(system.store, system.clock, JWT_SECRET).authenticate(bearer(token))

    play(tmp_path, scenario)


@pytest.mark.parametrize("rubbish", [b"", b"a.b.c", b"\xff\xff", b"." * 50, b"e30.e30.e30"])
def test_rubbish_is_refused(tmp_path, signer, rubbish):
    async def scenario(system):
        with pytest.raises(NotAuthenticated):
            await make_guard(system, Known(signer)).authenticate(bearer(rubbish))

    play(tmp_path, scenario)


# --- with a real issuer over HTTP -----------------------------------------------------------------


def test_a_token_of_a_key_that_was_changed_meanwhile_is_taken(tmp_path):
    async def scenario(system):
        with IssuerServer() as server:
            keys = JwksSigningKeys(server.jwks_url, system.clock)
            guard = make_guard(system, keys, issuer=server.url)
            for _ in range(3):
                token = server.signer.mint(AUDIENCE, ACCOUNT, now_s=now(system))
                assert (await guard.authenticate(bearer(token))).system
                server.signer.rotate()
                system.clock.advance(31)
            assert server.asked == 3
            await keys.close()

    play(tmp_path, scenario)


def test_an_issuer_that_is_away_is_not_the_callers_fault(tmp_path):
    async def scenario(system):
        with IssuerServer() as server:
            server.status = 503
            keys = JwksSigningKeys(server.jwks_url, system.clock)
            guard = make_guard(system, keys, issuer=server.url)
            token = server.signer.mint(AUDIENCE, ACCOUNT, now_s=now(system))
            with pytest.raises(Unavailable):
                await guard.authenticate(bearer(token))
            await keys.close()

    play(tmp_path, scenario)


def test_the_algorithm_is_the_one_that_google_signs_with():
    assert ALGORITHM == "RS256"
