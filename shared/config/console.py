"""Settings of the console."""

from pydantic import Field

from shared.config.sections import Section
from shared.domain.access import DEFAULT_WORKSPACE, Role
from shared.messages.events import FunctionName


class ConsoleSettings(Section):
    """Who may use the console behind Identity-Aware Proxy, and which functions it asks."""

    roles: dict[str, Role] = Field(
        default_factory=dict,
        description="Role by e-mail, or by domain for everybody in it; an e-mail's own goes first.",
    )
    workspace: str = Field(default=DEFAULT_WORKSPACE, description="Which workspace they see.")
    iap_audience: str | None = Field(
        default=None,
        description="The audience that IAP signs for; without it people sign in by a link.",
    )
    iap_issuer: str = Field(
        default="https://cloud.google.com/iap", description="Who must have signed."
    )
    iap_jwks_url: str = Field(
        default="https://www.gstatic.com/iap/verify/public_key-jwk",
        description="Where the signer's public keys are.",
    )
    functions: dict[FunctionName, str] = Field(
        default_factory=dict,
        description="Where each function of another process is asked for its /health.",
    )
