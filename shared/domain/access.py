"""Who may do what.

Workspaces, API keys with scopes, people with roles, and a workspace's own settings.
"""

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from shared.domain.records import Collection, Query, Record, Unit
from shared.domain.times import Timestamp

Scope = Literal["submit", "review", "feedback", "serve", "monitor", "admin"]
"""What a machine's key allows; `admin` allows everything."""

Role = Literal["viewer", "reviewer", "admin"]
"""What a person may do: look; look and review; everything."""

SCOPES: tuple[Scope, ...] = ("submit", "review", "feedback", "serve", "monitor", "admin")
ROLES: tuple[Role, ...] = ("viewer", "reviewer", "admin")

DEFAULT_WORKSPACE = "default"
"""Made at the first start; alerts about the whole system belong to it."""

KEY_PREFIX = "wsk_"
"""How the secrets of API keys start, so that scanners and people know one when they see it."""

LearningMode = Literal["collect", "manual", "automatic"]


@dataclass(frozen=True, slots=True)
class Caller:
    """The verified sender of a request.

    Args:
        workspace: the only workspace whose records it can touch.
        subject: who: `key:<key id>` for a machine, the token's `sub` for a person, `system:<job>`
            for ourselves.
        scopes: of a machine's key; empty for a person.
        role: of a person; None for a machine.
        system: True for the scheduler and the bus.
    """

    workspace: str
    subject: str
    scopes: frozenset[str] = frozenset()
    role: Role | None = None
    system: bool = False
    rate_per_minute: int | None = None


@dataclass(slots=True)
class IdempotencyKey:
    """A caller's promise that requests with this key are one.

    `id` covers caller, route and key, `fingerprint` the body. `replayed` becomes True when the
    answer is the stored one.
    """

    id: str
    fingerprint: str
    replayed: bool = False


class Workspace(Record):
    """A tenant; `id` is its name."""

    created_at: Timestamp


class ApiKey(Record):
    """A machine's credential; `id` is the SHA-256 of the secret, which is stored nowhere.

    `tenant` is its workspace.
    """

    key_id: str
    tenant: str
    name: str
    scopes: list[Scope]
    created_at: Timestamp
    expires_at: Timestamp | None = None
    revoked_at: Timestamp | None = None
    rate_per_minute: int | None = 60
    """Requests a minute; None for no limit."""


class WorkspaceSettings(Record):
    """What an operator may change without a deployment. `id` is always `settings`.

    `two_approvals_above_risk` (0..1) asks for two people above that risk, None for never.
    `blind_review` hides from reviewers who submitted, how sure they are and who else approved.
    `exploring` False sends every request where the policy wants it. With `rating_tokens` an answer
    is rated with the token that came with it, once. `answer_worth_usd` and
    `quality_floor` say what routing may spend; at most one is set, and neither is the default.
    `canary_share` (0..0.9) of the traffic tries a run's snapshot before it becomes current, 0 none;
    for at least `canary_min_hours` and `canary_min_ratings` of its answers, at most
    `canary_max_days`. `learning_stopped`, `publishing_stopped` and `read_only` are the kill
    switches. `hold` says why automatic learning waits for a person (after a rollback), None where
    it does not.
    """

    mode: LearningMode = "automatic"
    learning_stopped: bool = False
    publishing_stopped: bool = False
    read_only: bool = False
    two_approvals_above_risk: Unit | None = None
    blind_review: bool = False
    auto_rollback: bool = False
    exploring: bool = True
    rating_tokens: bool = False
    answer_worth_usd: float | None = Field(default=None, gt=0)
    quality_floor: Unit | None = None
    canary_share: float = Field(default=0.0, ge=0, le=0.9)
    canary_min_hours: float = Field(default=1.0, ge=0)
    canary_max_days: float = Field(default=14.0, gt=0)
    canary_min_ratings: int = Field(default=30, ge=1)
    runs_after_conversations: int = Field(default=10, ge=1)
    runs_after_feedback: int = Field(default=1000, ge=1)
    hold: str | None = None


class SignInCode(Record):
    """A way to sign in to the console once; `id` is the SHA-256 of the code, stored nowhere."""

    subject: str
    role: Role
    tenant: str
    expires_at: Timestamp


WORKSPACES = Collection("workspaces", Workspace, queries=(Query((), "id"),))
API_KEYS = Collection(
    "api_keys", ApiKey, queries=(Query(("tenant",), "created_at", narrow=("key_id",)),)
)
SETTINGS = Collection("workspace_settings", WorkspaceSettings)
SIGN_IN_CODES = Collection("sign_in_codes", SignInCode, expires="expires_at")
SETTINGS_ID = "settings"
