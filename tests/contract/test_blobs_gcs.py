"""What is particular to Cloud Storage: answers that get lost, tries, checksums, permissions."""

import asyncio
import gc
import socket
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import pytest

from shared.adapters.blobs_gcs import GcsBlobs
from shared.errors import AlreadyExists, Conflict, CorruptData, NotFound, Unavailable
from tests.support.faulty_proxy import Fault, FaultyProxy
from tests.support.storage_fixture import new_bucket

pytestmark = pytest.mark.contract

BIG = bytes(range(256)) * 400


@pytest.fixture
def bucket(storage_server):
    return new_bucket(storage_server)


@pytest.fixture
def proxy(storage_server) -> Iterator[FaultyProxy]:
    with FaultyProxy(storage_server.port) as proxy:
        yield proxy


def opened(request, bucket, url, **how) -> GcsBlobs:
    blobs = GcsBlobs(bucket, endpoint=url, **{"deadline_s": 10.0, **how})
    request.addfinalizer(lambda: asyncio.run(blobs.close()))
    return blobs


@pytest.fixture
def direct(request, storage_server, bucket) -> GcsBlobs:
    """The bucket without the proxy in between."""
    return opened(request, bucket, storage_server.url)


@pytest.fixture
def blobs(request, proxy, bucket) -> GcsBlobs:
    """The bucket through the proxy."""
    return opened(request, bucket, proxy.url)


def put(blobs, data=b"one", **how):
    return asyncio.run(blobs.put("a", data, **how))


def get(blobs):
    return asyncio.run(blobs.get("a"))


# --- writes ------------------------------------------------------------------------------------


def test_a_create_whose_answer_was_lost_succeeds_once(proxy, blobs, direct):
    proxy.spoil("POST", [Fault.LOSE_ANSWER])
    generation = put(blobs)
    assert len(proxy.paths["POST"]) == 2
    assert (get(direct).data, get(direct).generation) == (b"one", generation)


def test_a_replacement_whose_answer_was_lost_succeeds_once(proxy, blobs, direct):
    first = put(blobs)
    proxy.spoil("POST", [Fault.LOSE_ANSWER])
    second = put(blobs, b"two", if_generation=first)
    assert (get(direct).data, get(direct).generation) == (b"two", second)


def test_a_create_that_came_second_is_refused_even_with_equal_bytes_and_a_lost_answer(
    proxy, blobs, direct
):
    put(direct)
    proxy.spoil("POST", [Fault.LOSE_ANSWER])
    with pytest.raises(AlreadyExists):
        put(blobs)


def test_a_replacement_that_came_second_conflicts_and_tells_the_generation(proxy, blobs, direct):
    first = put(direct)
    second = put(direct, b"two", if_generation=first)
    proxy.spoil("POST", [Fault.LOSE_ANSWER])
    with pytest.raises(Conflict, match=f"{second}, not {first}"):
        put(blobs, b"two", if_generation=first)
    assert get(direct).generation == second


def test_a_conditional_write_is_tried_again_while_the_service_is_unavailable(proxy, blobs, direct):
    proxy.spoil("POST", [Fault.REFUSE, Fault.REFUSE])
    put(blobs)
    assert len(proxy.paths["POST"]) == 3
    assert get(direct).data == b"one"


@pytest.mark.parametrize("fault", [Fault.REFUSE, Fault.LOSE_ANSWER])
def test_an_unconditional_write_goes_out_once(proxy, blobs, fault):
    proxy.spoil("POST", [fault])
    with pytest.raises(Unavailable):
        put(blobs, if_generation=None)
    assert len(proxy.paths["POST"]) == 1


def test_an_interrupted_upload_leaves_nothing(proxy, blobs, direct):
    proxy.spoil("POST", [Fault.CUT_REQUEST])
    with pytest.raises(Unavailable):
        put(blobs, BIG, if_generation=None)
    with pytest.raises(NotFound):
        get(direct)
    assert asyncio.run(direct.list("")) == []


def test_an_interrupted_conditional_upload_is_sent_again_whole(proxy, blobs, direct):
    proxy.spoil("POST", [Fault.CUT_REQUEST])
    put(blobs, BIG)
    assert get(direct).data == BIG


def test_an_interrupted_replacement_leaves_the_object_as_it_was(proxy, blobs, direct):
    first = put(direct)
    proxy.spoil("POST", [Fault.CUT_REQUEST])
    with pytest.raises(Unavailable):
        put(blobs, BIG, if_generation=None)
    assert (get(direct).data, get(direct).generation) == (b"one", first)


def test_bytes_stored_with_another_checksum_are_noticed(proxy, blobs):
    proxy.spoil("POST", [Fault.WRONG_CHECKSUM])
    with pytest.raises(CorruptData, match="object a"):
        put(blobs)


def test_a_large_file_arrives_whole_though_a_part_of_it_was_refused(proxy, blobs, direct):
    data = b"0123456789abcdef" * 1_200_000
    proxy.spoil("PUT", [Fault.REFUSE])
    generation = asyncio.run(blobs.put_file("a", BytesIO(data)))
    assert (get(direct).data, get(direct).generation) == (data, generation)


def test_a_large_file_of_which_a_part_was_stored_twice_is_noticed_and_removed(proxy, blobs, direct):
    proxy.spoil("PUT", [Fault.LOSE_ANSWER])  # this server adds a part that comes again
    with pytest.raises(CorruptData, match="object a"):
        asyncio.run(blobs.put_file("a", BytesIO(b"0123456789abcdef" * 1_200_000)))
    assert asyncio.run(direct.list("")) == []


def test_an_object_larger_than_one_request_arrives_whole(blobs):
    data = b"0123456789abcdef" * 600_000
    generation = put(blobs, data)
    blob = get(blobs)
    assert blob.data == data
    assert blob.generation == generation


# --- reads -------------------------------------------------------------------------------------


def test_a_read_is_tried_again(proxy, blobs):
    put(blobs, BIG)
    proxy.spoil("GET", [Fault.REFUSE, Fault.LOSE_ANSWER, Fault.CUT_ANSWER])
    assert get(blobs).data == BIG
    with warnings.catch_warnings():  # the library leaves a cut connection to the collector
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def test_bytes_that_were_changed_on_the_way_are_asked_for_again(proxy, blobs):
    put(blobs)
    proxy.spoil("GET", [Fault.CORRUPT_ANSWER])
    assert get(blobs).data == b"one"


def test_bytes_that_do_not_match_their_checksum_are_corrupt(proxy, blobs):
    put(blobs)
    proxy.spoil("GET", [Fault.CORRUPT_ANSWER] * 2)
    with pytest.raises(CorruptData, match="object a"):
        get(blobs)


def test_bytes_without_a_checksum_are_not_believed(proxy, blobs):
    put(blobs)
    proxy.spoil("GET", [Fault.HIDE_CHECKSUM] * 2)
    with pytest.raises(CorruptData, match="object a"):
        get(blobs)


def test_a_read_is_one_request_and_asks_nothing_of_the_bucket_itself(proxy, blobs, bucket):
    put(blobs)
    get(blobs)
    (path,) = proxy.paths["GET"]
    assert path.startswith(f"/download/storage/v1/b/{bucket}/o/a?")


def test_a_list_is_tried_again(proxy, blobs):
    put(blobs)
    proxy.spoil("GET", [Fault.REFUSE, Fault.LOSE_ANSWER])
    assert asyncio.run(blobs.list("")) == ["a"]


# --- deletes -----------------------------------------------------------------------------------


def test_a_delete_whose_answer_was_lost_has_happened(proxy, blobs, direct):
    put(blobs)
    proxy.spoil("DELETE", [Fault.LOSE_ANSWER])
    asyncio.run(blobs.delete("a"))
    assert asyncio.run(direct.list("")) == []


def test_a_delete_names_the_generation_that_it_removes(proxy, blobs):
    generation = put(blobs)
    asyncio.run(blobs.delete("a"))
    assert any(f"ifGenerationMatch={generation}" in path for path in proxy.paths["DELETE"])


# --- the prefix, the environment, the loops ----------------------------------------------------


def test_two_prefixes_of_one_bucket_do_not_see_each_other(request, storage_server, bucket):
    one = opened(request, bucket, storage_server.url, prefix="one/")
    two = opened(request, bucket, storage_server.url, prefix="two/")
    put(one)
    with pytest.raises(NotFound):
        get(two)
    assert asyncio.run(one.list("", after="")) == ["a"]
    assert asyncio.run(two.list("")) == []


def test_without_an_endpoint_the_server_of_the_environment_is_asked(
    request, storage_server, bucket, monkeypatch
):
    for name, value in storage_server.environment.items():
        monkeypatch.setenv(name, value)
    blobs = opened(request, bucket, None, project="local")
    put(blobs)
    assert get(blobs).data == b"one"


def test_one_instance_serves_several_threads_and_loops(direct):
    async def work(name: str) -> list[str]:
        await asyncio.gather(*(direct.put(f"{name}/{n}", b"x") for n in range(5)))
        return await direct.list(f"{name}/")

    with ThreadPoolExecutor(4) as threads:
        lists = list(threads.map(lambda name: asyncio.run(work(name)), "bcde"))
    assert [len(keys) for keys in lists] == [5] * 4


def test_a_list_pages_on_past_what_one_answer_holds(direct):
    async def work():
        keys = [f"n/{number:04d}" for number in range(1010)]
        for start in range(0, len(keys), 101):
            await asyncio.gather(*(direct.put(key, b"") for key in keys[start : start + 101]))
        return keys, await direct.list("n/", limit=2000)

    keys, listed = asyncio.run(work())
    assert listed == keys


# --- what does not work --------------------------------------------------------------------------


def calls(blobs):
    return (
        blobs.ping(),
        blobs.put("a", b"x"),
        blobs.delete("a"),
        blobs.get("a"),
        blobs.list(""),
    )


@pytest.mark.parametrize(
    ("method", "call", "permission"),
    [
        ("GET", lambda blobs: blobs.ping(), "storage.objects.list"),
        ("GET", lambda blobs: blobs.list(""), "storage.objects.list"),
        ("GET", lambda blobs: blobs.get("a"), "storage.objects.get"),
        ("POST", lambda blobs: blobs.put("a", b"x"), "storage.objects.create"),
        ("GET", lambda blobs: blobs.delete("a"), "storage.objects.get and .delete"),
    ],
)
def test_a_missing_permission_is_unavailable_and_named(proxy, blobs, method, call, permission):
    proxy.spoil(method, [Fault.FORBID])
    with pytest.raises(Unavailable, match=permission):
        asyncio.run(call(blobs))


def test_a_server_that_is_gone_is_unavailable(request, bucket):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        blobs = opened(
            request, bucket, f"http://127.0.0.1:{unused.getsockname()[1]}", deadline_s=0.3
        )
        for call in calls(blobs):
            with pytest.raises(Unavailable, match=bucket):
                asyncio.run(call)


def test_a_server_that_says_nothing_is_given_up_at_the_deadline(request, bucket):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        blobs = opened(request, bucket, url, deadline_s=0.2)
        with pytest.raises(Unavailable, match="may have happened"):
            put(blobs)


def test_a_bucket_that_does_not_exist_is_unavailable_to_ping_and_to_writes(request, storage_server):
    blobs = opened(request, "no-such-bucket", storage_server.url)
    for call in (blobs.ping(), blobs.put("a", b"x")):
        with pytest.raises(Unavailable, match="no-such-bucket does not exist"):
            asyncio.run(call)


def test_without_credentials_the_bucket_is_unavailable(request, monkeypatch, tmp_path):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    blobs = opened(request, "b", None, project="local")
    with pytest.raises(Unavailable, match="no credentials"):
        asyncio.run(blobs.ping())
