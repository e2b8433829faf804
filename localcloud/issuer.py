"""An issuer of OIDC tokens, in Google's place: `python -m localcloud.issuer PORT KEY_FILE`.

The functions of the local cloud verify the tokens of pushes and jobs as on Google Cloud; only the
address of the signing keys is another. `GET /certs` are those keys, `GET /token?audience=…&email=…`
makes a token for whoever asks, which is why it listens on this machine only. It is the metadata
server too, which gives commands the token of the account that starts jobs.
"""

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from localcloud.plan import ACCOUNT
from localcloud.process import HOST, LocalProcess, answers, free_port
from shared.adapters.identity_token import PLACE as IDENTITY

TOKEN_S = 3_600
"""Seconds that a token is valid."""

KEYS_S = 300
"""Seconds that the keys may be kept."""


class Signer:
    """Signs tokens as Google does for a service account.

    Args:
        issuer: who it says it is.
        kept: the file of its first key, made where it is missing: a key that is kept verifies what
            was signed before a restart. None makes a new key.
    """

    def __init__(self, issuer: str, kept: Path | None = None) -> None:
        self.issuer = issuer
        self._keys: dict[str, rsa.RSAPrivateKey] = {}
        self._take(_kept_key(kept) if kept is not None else _new_key())

    def rotate(self) -> str:
        """Makes a new key, with which it signs from now on, and returns its id."""
        return self._take(_new_key())

    def _take(self, key: rsa.RSAPrivateKey) -> str:
        self.key_id = f"key-{len(self._keys) + 1}"
        self._keys[self.key_id] = key
        return self.key_id

    def retire(self, key_id: str) -> None:
        """Takes an old key out of what it publishes."""
        del self._keys[key_id]

    def public(self) -> dict[str, Any]:
        """Returns the keys as a JWKS."""
        found = []
        for key_id, key in self._keys.items():
            jwk = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
            found.append({**jwk, "kid": key_id, "alg": "RS256", "use": "sig"})
        return {"keys": found}

    def public_pem(self) -> bytes:
        """Returns the current key's public part, as files have it."""
        return (
            self._keys[self.key_id]
            .public_key()
            .public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )

    def mint(self, audience: str, email: str, /, *, now_s: float | None = None, **more: Any) -> str:  # noqa: ANN401 -- claims are any JSON
        """Returns a token; `more` replaces or adds claims, and takes out those that are None."""
        issued_at = int(time.time() if now_s is None else now_s)
        claims = {
            "iss": self.issuer,
            "aud": audience,
            "azp": email,
            "sub": email,
            "email": email,
            "email_verified": True,
            "iat": issued_at,
            "exp": issued_at + TOKEN_S,
        }
        kept = {name: value for name, value in {**claims, **more}.items() if value is not None}
        return jwt.encode(
            kept, self._keys[self.key_id], algorithm="RS256", headers={"kid": self.key_id}
        )


def _new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


def _kept_key(path: Path) -> rsa.RSAPrivateKey:
    """Returns the key of a file; a new one, which it writes there, where there is no file."""
    if path.exists():
        known = serialization.load_pem_private_key(path.read_bytes(), None)
        if isinstance(known, rsa.RSAPrivateKey):
            return known
    key = _new_key()
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return key


class _Handler(BaseHTTPRequestHandler):
    """Answers for the `signer` of its server."""

    server: "IssuerServer"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/certs":
            self.server.asked += 1
            self._answer(self.server.status, self.server.signer.public())
        elif parts.path == IDENTITY and "audience" in asked and self._knows_google():
            self._answer(200, self.server.signer.mint(asked["audience"], ACCOUNT))
        elif parts.path == "/token" and asked.keys() >= {"audience", "email"}:
            token = self.server.signer.mint(asked["audience"], asked["email"])
            self._answer(200, {"token": token, "expires_in": TOKEN_S})
        else:
            self._answer(404, {"error": "ask for /certs, or /token?audience=…&email=…"})

    def _knows_google(self) -> bool:
        return self.headers.get("Metadata-Flavor") == "Google"

    def _answer(self, status: int, content: dict[str, Any] | str) -> None:
        """Answers with JSON; a text goes as it is."""
        plain = isinstance(content, str)
        body = (content if isinstance(content, str) else json.dumps(content)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/text" if plain else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", f"public, max-age={KEYS_S}")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing of each request."""


class IssuerServer(ThreadingHTTPServer):
    """Serves a signer in a thread of this process; a context manager.

    `asked` counts how often the keys were; `status` is what that is answered with.
    """

    daemon_threads = True

    def __init__(self, port: int = 0, kept: Path | None = None) -> None:
        super().__init__((HOST, port), _Handler)
        self.url = f"http://{HOST}:{self.server_port}"
        self.signer = Signer(self.url, kept)
        self.asked = 0
        self.status = 200

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    @property
    def jwks_url(self) -> str:
        """Where its keys are."""
        return f"{self.url}/certs"


class Issuer(LocalProcess):
    """The issuer as a process of its own.

    Args:
        folder: for its log, and the key that outlives it.
        port: a free one where None.
    """

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.port = port or free_port()
        self.url = f"http://{HOST}:{self.port}"
        key = str(folder.resolve() / "issuer.key")
        command = (sys.executable, "-m", "localcloud.issuer", str(self.port), key)
        super().__init__("the issuer", command, folder / "issuer.log", lambda: answers(self.port))

    @property
    def environment(self) -> dict[str, str]:
        """What the functions need to believe it."""
        return {
            "WHETSTONE_GCP__PUSH_ISSUER": self.url,
            "WHETSTONE_GCP__PUSH_JWKS_URL": f"{self.url}/certs",
        }


if __name__ == "__main__":
    with IssuerServer(int(sys.argv[1]), Path(sys.argv[2])):
        threading.Event().wait()
