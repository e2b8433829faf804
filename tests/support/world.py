"""A running server with something of everything in it, for tests that send whole requests."""

import itertools
from pathlib import Path
from typing import Any

import httpx

from tests.support.cloud_server import CloudServer, Tenant
from tests.support.server import Server

JWT_SECRET = "a secret of the end-to-end tests, long enough"

MODELS = """
providers:
  - name: local
    base_url: {url}
    models:
      - {{model: small, usd_per_m_input: 0.1, usd_per_m_output: 0.4}}
      - {{model: large, usd_per_m_input: 1.0, usd_per_m_output: 4.0}}
learning:
  default_model: {{provider: local, model: large}}
  exploration_rate: 0.5
"""


def settings_file(folder: Path, provider_url: str) -> dict[str, str]:
    """Writes a settings file with a provider's models; returns the environment that names it."""
    path = folder / "whetstone.yaml"
    path.write_text(MODELS.format(url=provider_url), "utf-8")
    return {"WHETSTONE_CONFIG_FILE": str(path), "WHETSTONE_JWT_SECRET": JWT_SECRET}


_numbers = itertools.count(1)


class World:
    """Makes what a request needs to exist, over HTTP, and remembers nothing."""

    def __init__(self, server: Server | CloudServer | Tenant) -> None:
        self.server = server
        self.http = httpx.Client(base_url=server.url, headers=server.headers, timeout=30)

    def unique(self, what: str = "thing") -> str:
        """Returns a name that was not used before, by no world of this process."""
        return f"{what}-{next(_numbers)}"

    def entry(self) -> dict[str, Any]:
        """Returns the body of an entry like no other."""
        words = " ".join(self.unique("word") for _ in range(12))
        return {
            "topic": "billing",
            "content": words,
            "confidence_score": 0.8,
            "tags": ["invoice"],
            "metadata": {"source": "test"},
            "submitter": "agent",
        }

    def post(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Sends a request that must succeed, and returns its answer."""
        answer = self.http.post(path, json=body if body is not None else {})
        assert answer.is_success, (path, answer.status_code, answer.text)
        return dict(answer.json())

    def pending(self) -> str:
        """Submits an entry and returns its id."""
        return str(self.post("/v1/entries", self.entry())["entry_id"])

    def approved(self) -> str:
        """Submits and approves an entry."""
        entry_id = self.pending()
        self.post(f"/v1/approvals/{entry_id}/approve", {"reviewer": "ada"})
        return entry_id

    def revisable(self) -> str:
        """Submits an entry and asks for another revision of it."""
        entry_id = self.pending()
        body = {"reviewer": "ada", "notes": "Name the source."}
        self.post(f"/v1/approvals/{entry_id}/request-revision", body)
        return entry_id

    def recommendation(self, workflow: str | None = None) -> dict[str, Any]:
        """Returns the body of a recommendation."""
        return {
            "agent_id": "pricing-agent",
            "agent_name": "Pricing agent",
            "correlation_id": self.unique("case"),
            "workflow_id": workflow or self.unique("workflow"),
            "recommendation_type": "discount",
            "content": "Offer 10 %.",
            "confidence_score": 0.8,
            "reasoning": "Two similar accounts renewed.",
        }

    def outcome(self) -> dict[str, Any]:
        """Returns the body of an outcome of a workflow that has one recommendation."""
        workflow = self.unique("workflow")
        made = self.post("/v1/recommendations", self.recommendation(workflow))
        settled = {
            "recommendation_id": made["recommendation_id"],
            "status": "approved",
            "quality_score": 90,
        }
        return {
            "workflow_id": workflow,
            "overall_quality_score": 82.5,
            "recommendations": [settled],
            "feedback": "Renewed.",
        }

    def rater(self) -> str:
        """Has somebody rate a request, and returns who."""
        self.post("/v1/feedback", {**self.rating(), "user_id": "ada"})
        return "ada"

    def rater_set_aside(self) -> str:
        """Has somebody rate, sets the rater aside, and returns who it is."""
        rater = self.rater()
        self.post(f"/v1/raters/{rater}/set-aside", {"reason": "A script."})
        return rater

    def rating(self) -> dict[str, Any]:
        """Returns the body of a rating of a request that was routed."""
        routed = self.post("/v1/route", {"prompt": "Write a Python function."})
        return {
            "request_id": routed["request_id"],
            "quality_score": 5,
            "is_correct": True,
            "is_helpful": True,
            "comment": "Right.",
            "user_id": "grace",
            "session_id": "s-1",
        }

    def run(self) -> dict[str, Any]:
        """Runs on new evidence and returns the run."""
        self.post("/v1/feedback", self.rating())
        return self.post("/v1/learning/runs", {"reason": "test"})

    def run_id(self) -> str:
        """Returns the id of a new run."""
        return str(self.run()["run_id"])

    def earlier_snapshot(self) -> str:
        """Returns a snapshot that was current before the current one."""
        first = self.run()["snapshot_id"]
        assert self.run()["snapshot_id"] != first
        return str(first)

    def experiment(self) -> str:
        """Starts an experiment in place of what is tried out, and returns its id."""
        return str(self.post("/v1/experiments", self.fresh_experiment())["trial_id"])

    def fresh_experiment(self) -> dict[str, Any]:
        """Returns the body of an experiment that may begin: whatever runs is ended."""
        self._end_trials()
        arms = [
            {"name": "learned", "share": 0.5, "snapshot_id": self.run()["snapshot_id"]},
            {"name": "small", "share": 0.4, "provider": "local", "model": "small"},
        ]
        limits = [{"metric": "correctness", "limit": 0.05}]
        return {"name": "is the small model enough", "arms": arms, "guardrails": limits}

    def canary(self) -> str:
        """Has a run try its snapshot on a tenth of the traffic, and returns that snapshot."""
        self._end_trials()
        assert self.http.put("/v1/settings", json={"canary_share": 0.1}).is_success
        snapshot_id = str(self.run()["snapshot_id"])
        assert self.http.put("/v1/settings", json={"canary_share": 0}).is_success
        return snapshot_id

    def quarantined(self) -> str:
        """Reverts a canary and returns its snapshot, which is in quarantine."""
        snapshot_id = self.canary()
        self.post("/v1/learning/canary/revert", {"reason": "worse", "quarantine": True})
        return snapshot_id

    def _end_trials(self) -> None:
        tried = [self.http.get("/v1/learning/canary").json()["running"]]
        tried += self.http.get("/v1/experiments").json()["items"]
        for one in tried:
            if one is not None and one["state"] == "running":
                path = (
                    "/v1/learning/canary/revert"
                    if one["kind"] == "canary"
                    else f"/v1/experiments/{one['trial_id']}/stop"
                )
                self.post(path, {"reason": "another one"})

    def agent(self) -> str:
        """Returns an agent with a settled recommendation."""
        self.post("/v1/outcomes", self.outcome())
        return "pricing-agent"

    def disabled_agent(self) -> str:
        """Returns an agent whose recommendations were all rejected, as a run has learned."""
        agent, workflow = self.unique("agent"), self.unique("workflow")
        body = {**self.recommendation(workflow), "agent_id": agent, "agent_name": agent}
        made = [self.post("/v1/recommendations", body) for _ in range(12)]
        settled = [
            {"recommendation_id": one["recommendation_id"], "status": "rejected"} for one in made
        ]
        outcome = {
            "workflow_id": workflow,
            "overall_quality_score": 5,
            "recommendations": settled,
        }
        self.post("/v1/outcomes", outcome)
        self.post("/v1/learning/runs", {"reason": "test"})
        return agent

    def alert(self) -> str:
        """Makes a rule fire anew and returns the id of its open alert."""
        self.pending()
        for threshold in (1_000_000_000, 0):
            rule = {"rule": "oldest_pending", "threshold": threshold, "severity": "info"}
            assert self.http.put("/v1/alert-rules", json={"rules": [rule]}).is_success
            self.job("check")
        alerts = self.http.get("/v1/alerts", params={"state": "open"}).json()["items"]
        return str(next(one["alert_id"] for one in alerts if one["rule"] == "oldest_pending"))

    def job(self, name: str) -> dict[str, Any]:
        """Does what the schedule does."""
        headers = {"Authorization": f"Bearer {self.server.system_token(name)}"}
        answer = httpx.post(f"{self.server.url}/jobs/{name}", headers=headers, timeout=30)
        assert answer.is_success, answer.text
        return dict(answer.json())

    def key(self, *scopes: str) -> dict[str, Any]:
        """Makes a key and returns the answer, with its secret."""
        body = {"name": self.unique("key"), "scopes": list(scopes), "rate_per_minute": None}
        return self.post("/v1/keys", body)

    def close(self) -> None:
        """Closes the connections."""
        self.http.close()
