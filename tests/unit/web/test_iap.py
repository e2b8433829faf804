"""Only what IAP signed for our backend says who somebody is, and only the settings which role."""

import asyncio
import json

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from shared.errors import NotAllowed, NotAuthenticated
from shared.web.iap import HEADER, IapPeople
from tests.fakes.clock import ManualClock

AUDIENCE = "/projects/1/global/backendServices/2"
ISSUER = "https://cloud.google.com/iap"
KEY = ec.generate_private_key(ec.SECP256R1())
STRANGER = ec.generate_private_key(ec.SECP256R1())


class Keys:
    """The one key that IAP has now."""

    async def get(self, key_id):
        found = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key()))
        return found if key_id == "k1" else None


def session(headers, clock, roles=None):
    people = IapPeople(
        Keys(),
        clock,
        issuer=ISSUER,
        audience=AUDIENCE,
        roles=roles or {"example.org": "reviewer", "Ada@example.org": "admin"},
        workspace="default",
    )
    return asyncio.run(people.session(headers))


def signed(clock, *, key=KEY, key_id="k1", **changes):
    now = int(clock.now().timestamp())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "accounts.google.com:7",
        "email": "grace@example.org",
        "iat": now - 10,
        "exp": now + 600,
        **changes,
    }
    token = jwt.encode(claims, key, algorithm="ES256", headers={"kid": key_id})
    return {HEADER: token.encode()}


def test_a_domain_gives_a_role_and_an_e_mail_its_own():
    clock = ManualClock()
    grace = session(signed(clock), clock)
    ada = session(signed(clock, email="ADA@example.org"), clock)
    assert (grace.subject, grace.role, grace.workspace) == (
        "grace@example.org",
        "reviewer",
        "default",
    )
    assert (ada.subject, ada.role) == ("ada@example.org", "admin")


def test_nobody_is_there_without_an_assertion():
    plain = {b"x-goog-authenticated-user-email": b"accounts.google.com:ada@example.org"}
    assert session(plain, ManualClock()) is None


def test_who_has_no_role_is_told_so():
    clock = ManualClock()
    with pytest.raises(NotAllowed, match="no role"):
        session(signed(clock, email="eve@evil.test"), clock)


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "/projects/1/global/backendServices/3"},
        {"iss": "https://evil.test"},
        {"exp": 0},
        {"iat": 4_000_000_000},
        {"key": STRANGER},
        {"key_id": "k2"},
        {"key_id": "k" * 201},
    ],
)
def test_an_assertion_for_or_by_somebody_else_proves_nothing(changes):
    clock = ManualClock()
    with pytest.raises(NotAuthenticated):
        session(signed(clock, **changes), clock)


@pytest.mark.parametrize("token", [b"", b"a.b.c", b"nonsense", b"\xff"])
def test_rubbish_proves_nothing(token):
    with pytest.raises(NotAuthenticated):
        session({HEADER: token}, ManualClock())


def test_another_algorithm_is_not_believed():
    clock = ManualClock()
    claims = {"email": "ada@example.org", "sub": "1", "iss": ISSUER, "aud": AUDIENCE}
    token = jwt.encode(claims, "x" * 32, algorithm="HS256", headers={"kid": "k1"})
    with pytest.raises(NotAuthenticated):
        session({HEADER: token.encode()}, clock)
