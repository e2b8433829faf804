"""A running Whetstone over HTTP: is it well, and its learning and knowledge taken back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from deploying.console import DeployError, Say, Times

_TIMEOUT_S = 60.0
_PATIENCE = 60
_BETWEEN_S = 2.0


@dataclass(frozen=True, slots=True)
class System:
    """Talks to the system behind one address.

    Args:
        url: where it answers, for example https://whetstone.example.com.
        key: an API key with the scope admin; empty where there is none.
        say: is told what was found.
        times: to wait.
        dry_run: changes are previewed and not made.
    """

    url: str
    key: str
    say: Say
    times: Times
    dry_run: bool = False

    def verify(self, functions: list[str], version: str | None) -> None:
        """Returns where every function is well, of this version if any, and answers a caller.

        Raises:
            DeployError: one is not; all problems are named.
        """
        problems = [found for name in functions if (found := self._unwell(name, version))]
        if self.key:
            self._call("POST", "/v1/search", {"text": "a request after a deployment", "limit": 1})
            self.say("search answers through the front door")
        if self._status("GET", "/v1/entries/ent_00000000000000000000") != httpx.codes.UNAUTHORIZED:
            problems.append("a request without a key was not refused")
        if problems:
            raise DeployError("; ".join(problems))

    def roll_back_learning(self, snapshot: str | None, reason: str) -> str:
        """Makes a snapshot current and returns it; the one before the current where None.

        None changes nothing while learning waits since a rollback: so a second call does not go
        back one more.

        Raises:
            DeployError: there is no earlier one, or it is refused.
        """
        current, parent = self._current()
        hold = self._call("GET", "/v1/learning/status")["hold"] if snapshot is None else None
        if hold and current:
            self.say(f"learning: {hold}; name a snapshot to go elsewhere")
            return current
        wanted = snapshot or parent
        if wanted is None:
            raise DeployError("there is no earlier snapshot to go back to")
        if wanted == current:
            self.say(f"learning: {wanted} is current already")
            return wanted
        self.say(f"learning: {current} -> {wanted}{' (dry run)' if self.dry_run else ''}")
        if self.dry_run:
            return wanted
        self._call("POST", "/v1/learning/rollback", {"snapshot_id": wanted, "reason": reason})
        if self._current()[0] != wanted:
            raise DeployError(f"the rollback was answered, but {wanted} is not current")
        return wanted

    def roll_back_knowledge(self, version: int, reason: str) -> int:
        """Brings search back to what a version of the knowledge showed; returns the changes.

        Raises:
            DeployError: it is refused, or does not come about in two minutes.
        """
        body = {"version": version, "reason": reason, "dry_run": self.dry_run}
        answer = self._call("POST", "/v1/knowledge/rollback", body)
        changes = len(answer["changes"])
        self.say(f"knowledge: {changes} entries change to what version {version} showed")
        if self.dry_run:
            return changes
        for _ in range(_PATIENCE):
            if not self._call("POST", "/v1/knowledge/rollback", {**body, "dry_run": True})[
                "waiting"
            ]:
                self.say(f"knowledge: search shows what version {version} showed")
                return changes
            self.times.wait(_BETWEEN_S)
        raise DeployError("some entries still wait to be published: see the log of publish")

    def _current(self) -> tuple[str | None, str | None]:
        found = self._call("GET", "/v1/learning/snapshots?limit=500")["items"]
        for one in found:
            if one["current"]:
                return one["snapshot_id"], one["parent_id"]
        return None, None

    def _unwell(self, function: str, version: str | None) -> str:
        try:
            health = self._call("GET", f"/functions/{function}/ready")
        except DeployError as error:
            return str(error)
        self.say(f"{function}: {health['status']}, version {health['version']}")
        if health["function"] != function:
            return f"/functions/{function}/ready is answered by {health['function']}"
        if version is not None and health["version"] != version:
            return f"{function} runs version {health['version']}, not {version}"
        return ""

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401
        try:
            headers = {"X-API-Key": self.key} if self.key else {}
            answer = httpx.request(
                method, self.url + path, json=body, headers=headers, timeout=_TIMEOUT_S
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise DeployError(f"{self.url} does not answer: {error}") from None
        if not answer.is_success:
            raise DeployError(f"{method} {path} answered {answer.status_code}: {answer.text[:300]}")
        return answer.json()

    def _status(self, method: str, path: str) -> int:
        try:
            return httpx.request(method, self.url + path, timeout=_TIMEOUT_S).status_code
        except httpx.HTTPError as error:
            raise DeployError(f"{self.url} does not answer: {error}") from None
