"""The steps of a deployment, each of which can be run by itself and again."""

import subprocess
from dataclasses import dataclass, field

import httpx
from rich.console import Console

from deploying.canary import Canary, Outcome, Plan, changed
from deploying.console import DeployError, Times, printer
from deploying.gcloud import Gcloud
from deploying.judging import Limits
from deploying.measuring import API, CloudMonitoring
from deploying.preflight import DIST, ROOT, checks
from deploying.system import System
from deploying.terraform import Terraform
from deploying.traffic import WHOLE, Service, give, pin, services
from shared.config import VERSION

TOKEN_S = 240.0

RECORD = DIST / "canary.jsonl"


@dataclass(frozen=True, slots=True)
class Target:
    """What is deployed where, as the command line says it."""

    environment: str
    project: str
    region: str
    name: str
    state_bucket: str
    key: str
    dry_run: bool
    monitoring: str = API
    bundle_options: tuple[str, ...] = ()


class Token:
    """An access token of gcloud's account, asked for anew every few minutes; it is good for more.

    Args:
        gcloud: asks.
        times: the clock.
    """

    def __init__(self, gcloud: Gcloud, times: Times) -> None:
        self._gcloud, self._times = gcloud, times
        self._token, self._since = "", times.now()

    def __call__(self) -> str:
        """Returns the token."""
        now = self._times.now()
        if not self._token or (now - self._since).total_seconds() > TOKEN_S:
            self._token, self._since = self._gcloud.text("auth", "print-access-token"), now
        return self._token


@dataclass(frozen=True, slots=True)
class Deployment:
    """Does the steps, and tells what it does."""

    target: Target
    console: Console
    times: Times = field(default_factory=Times)

    def say(self, line: str) -> None:
        """Prints a line with the time before it."""
        printer(self.console)(line)

    @property
    def gcloud(self) -> Gcloud:
        """The gcloud command in the target's project."""
        one = self.target
        return Gcloud(one.project, one.region, self.say, one.dry_run)

    @property
    def terraform(self) -> Terraform:
        """Terraform for the target."""
        one = self.target
        return Terraform(
            one.environment, one.state_bucket, one.project, one.region, self.say, one.dry_run
        )

    def services(self) -> dict[str, Service]:
        """Returns the functions' services as they are."""
        return services(self.gcloud, self.target.name)

    def preflight(self, *, bundles: bool) -> None:
        """Returns where everything is right.

        Raises:
            DeployError: it is not; each problem is named, with what to do.
        """
        problems = []
        for check in checks(self.gcloud, self.target.name, bundles=bundles):
            with self.console.status(check.name):
                problem = check.problem()
            mark = f"[red]no: {problem}[/red]" if problem else "[green]ok[/green]"
            self.say(f"{check.name}: {mark}")
            problems += [check.name] if problem else []
        if problems:
            raise DeployError(f"not ready to deploy: {', '.join(problems)}")

    def bundle(self) -> None:
        """Stages the bundles. Raises DeployError where that fails."""
        command = [str(ROOT / "scripts/bundle"), *self.target.bundle_options]
        self.say(f"running: scripts/bundle {' '.join(self.target.bundle_options)}".rstrip())
        if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
            raise DeployError("the bundles could not be made")

    def apply(self) -> None:
        """Names the serving revisions, applies the plan, and sees to it that no request moved.

        Raises:
            DeployError: a canary is under way, terraform fails, or a revision is not ready.
        """
        before = self.services()
        pin(self.gcloud, before.values())
        try:
            self.terraform.apply()
        finally:
            self._keep(before)

    def _keep(self, before: dict[str, Service]) -> None:
        """Moves requests back where a deployment has moved them, against what it was told."""
        for name, now in self.services().items():
            old = before.get(name)
            if old is not None and dict(now.shares) != {old.stable: WHOLE}:
                self.say(f"[yellow]{name}: the deployment moved requests; back they go[/yellow]")
                give(self.gcloud, name, {old.stable: WHOLE})

    def canary(self, plan: Plan, limits: Limits) -> Outcome:
        """Runs a canary of whatever is new, and says how it ended.

        Raises:
            DeployError: something does not answer; no service is left split.
        """
        one = self.target
        gcloud = self.gcloud
        DIST.mkdir(exist_ok=True)
        record = None if one.dry_run else RECORD
        token = Token(gcloud, self.times)
        with httpx.Client() as http:
            measured = CloudMonitoring(one.project, one.name, token, http, one.monitoring)
            canary = Canary(gcloud, measured, limits, plan, self.times, self.say, record)
            outcome, reason = canary.run(self.services())
        colour = "green" if outcome in ("promoted", "nothing new") else "red"
        self.say(f"[{colour}]{outcome}[/{colour}]: {reason}")
        return outcome

    def promote(self, reason: str) -> None:
        """Gives every newest revision all requests: a person's decision, instead of the canary's.

        Raises:
            DeployError: a newest revision is not ready.
        """
        for one in changed(self.services()).values():
            self.say(f"promoting {one.latest} without the judge: {reason}")
            give(self.gcloud, one.name, {one.latest: WHOLE}, previous=one.stable)

    def verify(self, url: str | None) -> None:
        """Asks every public function through the front door. Raises DeployError where one fails."""
        if self.target.dry_run:
            self.say("would ask /ready of each function, and search")
            return
        outputs = self.terraform.outputs() if url is None else {}
        public = sorted(name for name, one in outputs.get("functions", {}).items() if one["public"])
        system = System(url or outputs["url"], self.target.key, self.say, self.times)
        system.verify(public or list(PUBLIC), VERSION)


PUBLIC = ("submit", "approve", "feedback", "retrain", "serve", "monitor")
"""The functions behind the load balancer, where Terraform is not asked."""
