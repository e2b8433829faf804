"""Parts of a path with slashes of their own."""

import pytest

from shared import bootstrap
from shared.web.paths import apart, whole
from shared.web.session import PLAIN_COOKIE, Session
from tests.support.every_route import gateway
from tests.support.system import WORKSPACE, play

RECOMMENDATION = {
    "agent_id": "team/pricing",
    "agent_name": "Pricing",
    "correlation_id": "c",
    "workflow_id": "w/1",
    "recommendation_type": "discount",
    "content": "Offer 10 %.",
    "confidence_score": 0.5,
}


@pytest.mark.parametrize(
    ("raw", "path", "parts"),
    [
        (b"/v1/agents/team%2Fpricing", "/v1/agents/team/pricing", ["v1", "agents", "team/pricing"]),
        (b"/a/%2f%2F", "/a///", ["a", "//"]),
        (b"/a/%252F", "/a/%2F", ["a", "%2F"]),
        (b"/a/%C3%A4%2Fb", "/a/\u00e4/b", ["a", "\u00e4/b"]),
        (b"/a/b", "/a/b", ["a", "b"]),
        (None, "/a/b", ["a", "b"]),
    ],
)
def test_an_encoded_slash_belongs_to_its_part(raw, path, parts):
    found = apart({"path": path, "raw_path": raw})
    assert [whole(one) for one in found.split("/")[1:]] == parts


def test_an_agent_whose_id_has_a_slash_is_found_by_machines_and_people(tmp_path):
    async def scenario(system):
        http = await gateway(system, scopes=("admin",))
        await http.post("/v1/recommendations", json=RECOMMENDATION)
        for path in ("/v1/agents/team%2Fpricing", "/v1/agents/team%2fpricing/boost"):
            assert (await http.get(path)).json()["agent_id"] == "team/pricing"
        assert (await http.get("/v1/agents/team/pricing")).status_code == 404
        http.cookies.set(
            PLAIN_COOKIE, bootstrap.desk().sessions.open(Session("ada", WORKSPACE, "viewer", "sid"))
        )
        assert 'href="/trust/team%2Fpricing"' in (await http.get("/trust")).text
        page = await http.get("/trust/team%2Fpricing")
        assert (page.status_code, "Pricing" in page.text) == (200, True)

    play(tmp_path, scenario)
