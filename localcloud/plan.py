"""Who listens where in one local cloud, and who believes whom; a file that its processes read."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from localcloud.process import HOST

PROJECT = "whetstone-local"
BUCKET = "whetstone"
AUDIENCE = "https://whetstone.local"
"""Of the tokens that accompany pushes and jobs."""

ACCOUNT = "invoker@whetstone-local.iam.gserviceaccount.com"
"""The service account that pushes events and starts jobs."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One local cloud.

    Args:
        port: of the front.
        push_port: where the Pub/Sub emulator pushes to.
        issuer_port: of who signs tokens.
        functions: the port of each function.
    """

    port: int
    push_port: int
    issuer_port: int
    functions: dict[str, int]

    @property
    def issuer_url(self) -> str:
        """Who signs tokens, as they say."""
        return f"http://{HOST}:{self.issuer_port}"

    @property
    def jwks_url(self) -> str:
        """Where the signer's public keys are."""
        return f"{self.issuer_url}/certs"

    def write(self, path: Path) -> None:
        """Writes the file."""
        path.write_text(json.dumps(asdict(self), indent=1), "utf-8")


def read(path: Path) -> Plan:
    """Returns what a file says."""
    return Plan(**json.loads(path.read_text("utf-8")))
