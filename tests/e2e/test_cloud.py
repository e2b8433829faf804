"""The same tests as of the embedded server, on the cloud: every function in its own process.

Firestore's and Pub/Sub's emulators, a Cloud Storage server, a front that routes by path: what is
imported here runs unchanged, on both stores. `make test-cloud` runs all of tests/e2e so, on one.
"""

import httpx
import pytest

from tests.e2e import test_loop
from tests.e2e.test_api_table import (
    test_a_claim_keeps_others_out_until_it_is_released,
    test_a_person_can_only_name_itself_as_reviewer,
    test_a_row_is_answered_as_promised,
    test_a_streamed_completion_starts_brings_text_and_ends,
    test_every_documented_path_has_a_row_and_every_row_is_documented,
    test_lists_are_walked_by_their_cursor,
    test_tables_come_as_csv,
)
from tests.e2e.test_loop import (
    test_ratings_become_a_policy_that_every_server_serves_and_a_rollback_takes_back,
    test_the_tenth_conversation_asks_for_a_run_which_happens,
    test_what_is_approved_is_found_and_what_is_retracted_is_gone_at_once,
)
from tests.support.every_route import every_route, filled, problem
from tests.support.settled import check_settled_and_whole
from tests.support.steady_writers import SteadyWriters
from tests.support.waiting import until
from tests.support.world import World

__all__ = [
    "test_a_claim_keeps_others_out_until_it_is_released",
    "test_a_person_can_only_name_itself_as_reviewer",
    "test_a_row_is_answered_as_promised",
    "test_a_streamed_completion_starts_brings_text_and_ends",
    "test_every_documented_path_has_a_row_and_every_row_is_documented",
    "test_lists_are_walked_by_their_cursor",
    "test_ratings_become_a_policy_that_every_server_serves_and_a_rollback_takes_back",
    "test_tables_come_as_csv",
    "test_the_tenth_conversation_asks_for_a_run_which_happens",
    "test_what_is_approved_is_found_and_what_is_retracted_is_gone_at_once",
]

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

STORES = ("postgres", "firestore")
"""In this order: the last one goes on, for the files after this one."""


@pytest.fixture(scope="module", params=STORES)
def cloud(request, clouds):
    yield clouds.on(request.param)
    if request.param != STORES[-1] and request.config.getoption("--cloud") is None:
        clouds.end(request.param)  # two at once take 3 GB


@pytest.fixture(scope="module")
def world(cloud):
    made = World(cloud)
    yield made
    made.close()


@pytest.fixture
def started(cloud, clouds):
    """Gives worlds in a workspace that is the test's own; all of them are one cloud."""
    tenant = clouds.tenant(cloud.cloud.store)
    worlds = []

    def start():
        worlds.append(World(tenant))
        return worlds[-1]

    yield start
    for one in worlds:
        one.close()


# --- who may come in ------------------------------------------------------------------------------


def test_every_route_is_shut_without_a_credential(cloud):
    with httpx.Client(base_url=cloud.url, timeout=30) as http:
        for function, method, path, need in every_route():
            body = {"json": {}} if method != "GET" else {}
            answer = http.request(method, f"/functions/{function}{filled(path)}", **body)
            if need.public:
                assert answer.status_code in {200, 404}, path
            else:
                problem(answer, 401)


def test_what_google_cloud_calls_is_open_to_its_service_account_alone(cloud):
    routes = [one for one in every_route() if one[3].system]
    assert len(routes) > 5
    with httpx.Client(base_url=cloud.url, timeout=30) as http:
        for function, method, path, _ in routes:
            url = f"/functions/{function}{filled(path, 'notify')}"
            problem(http.request(method, url, headers=cloud.headers, json={}), 403)
            token = {"Authorization": f"Bearer {cloud.system_token()}"}
            answer = http.request(method, url, headers=token, json={})
            assert answer.status_code in {200, 422}, (path, answer.text)
            forged = {"Authorization": f"Bearer {cloud.system_token()[:-8]}AAAAAAAA"}
            problem(http.request(method, url, headers=forged, json={}), 401)


# --- walls ----------------------------------------------------------------------------------------


def test_nothing_of_a_workspace_is_seen_from_another(cloud, clouds, started):
    mine, word = started(), "xylophone"
    theirs = World(clouds.tenant(cloud.cloud.store))
    before = theirs.http.get("/v1/audit/verify").json()
    body = {**mine.entry(), "topic": word, "content": f"{word} {mine.unique()}", "tags": [word]}
    entry_id = mine.post("/v1/entries", body)["entry_id"]
    mine.post(f"/v1/approvals/{entry_id}/approve", {"reviewer": word})
    until(lambda: mine.post("/v1/search", {"text": word})["items"])
    rating = {**mine.rating(), "comment": word}
    mine.post("/v1/feedback", rating)
    workflow = mine.outcome()
    mine.post("/v1/outcomes", workflow)
    mine.run()
    try:
        assert theirs.post("/v1/search", {"text": word})["items"] == []
        problem(theirs.http.get(f"/v1/entries/{entry_id}"), 404)
        problem(theirs.http.post(f"/v1/approvals/{entry_id}/retract", json={"reason": "no"}), 404)
        problem(theirs.http.post("/v1/feedback", json=rating), 404)
        for _, method, path, need in every_route():
            if method == "GET" and "{" not in path and not need.public and path != "/metrics":
                answer = theirs.http.get(path)
                assert answer.status_code == 200, path
                assert word not in answer.text, path
        assert theirs.http.get("/v1/audit/verify").json() == before
    finally:
        theirs.close()


# --- processes that die ---------------------------------------------------------------------------


@pytest.mark.crash
@pytest.mark.parametrize("cloud", ["postgres"], indirect=True)
def test_functions_and_a_database_that_are_killed_under_load_lose_nothing(cloud, started):
    """On PostgreSQL; test_cloud_deaths kills every process on Firestore, which has no disk."""
    world = started()
    with SteadyWriters(world) as writers:
        for name in ("approve", "publish", "feedback", "postgres"):
            writers.wait_turns(2)
            cloud.kill(name)
            cloud.restart(name)
        writers.wait_turns(2)
    check_settled_and_whole(cloud, world, world.server.workspace, writers.told)


@pytest.mark.crash
def test_what_could_not_be_published_after_its_commit_is_swept_later(cloud, started):
    world = started()
    body = world.entry()
    entry_id = world.post("/v1/entries", body)["entry_id"]
    cloud.kill("pubsub")
    try:
        world.post(f"/v1/approvals/{entry_id}/approve", {"reviewer": "ada"})
        assert test_loop.found_ids(world, body["content"]) == []
    finally:
        cloud.restart("pubsub")

    def found():
        world.job("sweep")
        return test_loop.found_ids(world, body["content"]) == [entry_id]

    until(found)
