"""Rating tokens: handed out with an answer, and used up by the rating of it."""

from shared.domain.access import Caller, WorkspaceSettings
from shared.domain.feedback import RoutingDecision
from shared.domain.rating_tokens import minted, problem_of
from shared.domain.times import Timestamp, from_text
from shared.errors import InvalidInput, NotAllowed
from shared.messages.rating import RecordFeedback
from shared.services.deps import Deps


def token_for(
    deps: Deps, settings: WorkspaceSettings, workspace: str, record: RoutingDecision
) -> str | None:
    """Returns the token that goes with an answer; None where the workspace does not ask for it."""
    if not settings.rating_tokens:
        return None
    valid_s = round(deps.options.learning.raters.token_hours * 3600)
    expires_s = int(from_text(record.decided_at).timestamp()) + valid_s
    return minted(deps.signing_secret(), workspace, record.id, expires_s)


def use_token(
    deps: Deps, caller: Caller, command: RecordFeedback, decision: RoutingDecision, now: Timestamp
) -> RoutingDecision:
    """Returns the decision with its token used up.

    Raises:
        InvalidInput: there is no token.
        NotAllowed: it is not that of this request, its time is over, or it was used.
    """
    if command.rating_token is None:
        raise InvalidInput.field(
            "/rating_token",
            "is needed in this workspace: send the one that came with the answer",
        )
    problem = problem_of(
        command.rating_token,
        deps.signing_secret(),
        caller.workspace,
        decision.id,
        from_text(now).timestamp(),
    )
    if problem is not None:
        words = "is not that of this request" if problem == "forged" else "has expired"
        raise NotAllowed(f"the rating token {words}: request {decision.id} cannot be rated with it")
    if decision.token_used:
        raise NotAllowed(f"the rating token of request {decision.id} was used: it is good for once")
    return decision.model_copy(update={"token_used": True})
