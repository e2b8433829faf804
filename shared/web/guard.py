"""Who is calling, and may they: every route is shut until the guard opens it.

Machines send `X-API-Key` (or the same key as a bearer token, for scrapers that know nothing else);
only its hash is stored. People send a JWT. Ourselves are known by a JWT of our own where one
process is the whole system, and by a token of Google's where Pub/Sub and Cloud Scheduler call. A
key that was revoked is refused everywhere within `KEY_AGE_S`.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from shared.domain.access import API_KEYS, KEY_PREFIX, ROLES, ApiKey, Caller, Role, Scope
from shared.domain.records import SYSTEM_WORKSPACE
from shared.domain.secrets import Secret, value_of
from shared.errors import NotAllowed, NotAuthenticated
from shared.ports import Clock, Store
from shared.web.oidc import ServiceTokens

KEY_AGE_S = 5.0
"""How long a process trusts what it has read of a key, in seconds."""

_CACHED_KEYS = 10_000
_ALGORITHM = "HS256"


@dataclass(frozen=True, slots=True)
class Needs:
    """What a route asks of its caller.

    Of a machine one of `scopes`, of a person at least `role`; `system` lets only ourselves in.
    """

    scopes: tuple[Scope, ...] = ()
    role: Role | None = None
    system: bool = False
    public: bool = False


PUBLIC = Needs(public=True)
SYSTEM = Needs(system=True)


def needs(*scopes: Scope, role: Role | None = None) -> Needs:
    """Returns the need for one of `scopes`, or for a person of at least `role` (None: nobody)."""
    return Needs(scopes=scopes, role=role)


class Guard:
    """Turns credentials into callers.

    Args:
        store: where keys are.
        clock: for expiry.
        jwt_secret: verifies people's tokens, as it is at each request.
        service_tokens: verifies those of service accounts, which then are the only ones that prove
            ourselves; None where there are none, and our own token does.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        jwt_secret: str | Secret,
        service_tokens: ServiceTokens | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._jwt_secret = jwt_secret
        self._service_tokens = service_tokens
        self._keys: dict[str, tuple[float, ApiKey, Caller]] = {}

    async def authenticate(self, headers: Mapping[bytes, bytes]) -> Caller:
        """Returns the caller that the request's headers prove.

        Raises:
            NotAuthenticated: no credential, or one that is unknown, expired, revoked or forged.
            Unavailable: what is needed to verify it does not answer.
        """
        secret = headers.get(b"x-api-key")
        if secret is not None:
            return await self._machine(secret)
        bearer = headers.get(b"authorization", b"")
        if bearer[:7].lower() != b"bearer ":
            msg = "send X-API-Key, or Authorization: Bearer with a token"
            raise NotAuthenticated(msg)
        token = bearer[7:].strip()
        if token.startswith(KEY_PREFIX.encode()):
            return await self._machine(token)
        if self._service_tokens is not None and _says_service_account(token):
            return await self._service_tokens.verify(token)
        return self._person(token)

    async def _machine(self, secret: bytes) -> Caller:
        digest = hashlib.sha256(secret).hexdigest()
        now = self._clock.monotonic_s()
        seen = self._keys.get(digest)
        if seen is None or now - seen[0] > KEY_AGE_S:
            key = await self._store.get(SYSTEM_WORKSPACE, API_KEYS, digest)
            if key is None or not hmac.compare_digest(key.id, digest):
                self._keys.pop(digest, None)
                msg = "this API key is not known"
                raise NotAuthenticated(msg)
            if len(self._keys) >= _CACHED_KEYS:
                self._keys.clear()
            seen = self._keys[digest] = (now, key, _caller_of(key))
        _, key, caller = seen
        if key.revoked_at is not None:
            msg = "this API key was revoked"
            raise NotAuthenticated(msg)
        if key.expires_at is not None and key.expires_at <= self._clock.now_text():
            msg = "this API key has expired"
            raise NotAuthenticated(msg)
        return caller

    def _person(self, token: bytes) -> Caller:
        try:
            claims = jwt.decode(
                token,
                value_of(self._jwt_secret),
                algorithms=[_ALGORITHM],
                options={
                    "require": ["sub", "exp", "workspace", "role"],
                    "verify_exp": False,
                    "verify_aud": False,
                },
            )
        except (jwt.InvalidTokenError, ValueError, RecursionError):
            msg = "this token does not verify"
            raise NotAuthenticated(msg) from None
        return self._caller_of_claims(claims)

    def _caller_of_claims(self, claims: dict[str, Any]) -> Caller:
        subject, workspace, role, expires = (
            claims[name] for name in ("sub", "workspace", "role", "exp")
        )
        if not (isinstance(expires, int | float) and expires > self._clock.now().timestamp()):
            msg = "this token has expired"
            raise NotAuthenticated(msg)
        texts = isinstance(subject, str) and subject and isinstance(workspace, str) and workspace
        if not texts or workspace.startswith("_") or role not in (*ROLES, "system"):
            msg = "this token's claims are not ours"
            raise NotAuthenticated(msg)
        if role == "system":
            if self._service_tokens is not None:
                msg = "here only a service account's token proves the system"
                raise NotAuthenticated(msg)
            return Caller(workspace, f"system:{subject}", system=True)
        return Caller(workspace, subject, role=role)


def authorize(caller: Caller, need: Needs) -> None:
    """Lets the caller pass.

    Raises:
        NotAllowed: a good credential that lacks the scope or the role.
    """
    if caller.system:
        allowed = need.system
    elif caller.role is not None:
        allowed = need.role is not None and ROLES.index(caller.role) >= ROLES.index(need.role)
    else:
        allowed = not need.system and (
            "admin" in caller.scopes or not caller.scopes.isdisjoint(need.scopes)
        )
    if not allowed:
        raise NotAllowed(f"this needs {_wording(need)}")


def mint(jwt_secret: str, subject: str, workspace: str, role: str, expires_at: float) -> str:
    """Returns a signed token; `expires_at` in seconds since 1970."""
    claims = {"sub": subject, "workspace": workspace, "role": role, "exp": int(expires_at)}
    return jwt.encode(claims, jwt_secret, algorithm=_ALGORITHM)


def _says_service_account(token: bytes) -> bool:
    """Tells by which of the two ways a token is to be verified; neither believes what it says."""
    try:
        return jwt.get_unverified_header(token).get("alg") != _ALGORITHM
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        return False


def _caller_of(key: ApiKey) -> Caller:
    return Caller(
        key.tenant,
        f"key:{key.key_id}",
        scopes=frozenset(key.scopes),
        rate_per_minute=key.rate_per_minute,
    )


def _wording(need: Needs) -> str:
    if need.system:
        return "the system's own credential"
    scopes = " or ".join(dict.fromkeys([*need.scopes, "admin"]))
    return f"a key with the scope {scopes}" + (
        f", or a person with the role {need.role}" if need.role else ""
    )
