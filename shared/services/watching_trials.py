"""The look at what a workspace tries out: at each check, and before each run."""

from shared.services import canarying, experimenting
from shared.services.deps import Deps
from shared.services.snapshots import head_of


async def look(deps: Deps, workspace: str) -> None:
    """Judges the canary or the experiment that runs; does nothing where there is none."""
    head = await head_of(deps, workspace)
    if head.trial is None:
        return
    judge = canarying.look if head.trial.kind == "canary" else experimenting.look
    await judge(deps, workspace, head)
