"""The contract of the blobs port. A further adapter joins by adding itself to `MAKERS`."""

import asyncio
import tracemalloc
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.adapters.blobs_folder import FolderBlobs
from shared.adapters.blobs_gcs import GcsBlobs
from shared.errors import AlreadyExists, Conflict, InvalidInput, NotFound
from shared.ports import Blob, Blobs
from tests.support.storage_fixture import new_bucket


def in_folder(root: Path, _: pytest.FixtureRequest) -> Blobs:
    return FolderBlobs(root / "blobs")


def in_cloud_storage(_: Path, request: pytest.FixtureRequest) -> Blobs:
    server = request.getfixturevalue("storage_server")
    blobs = GcsBlobs(new_bucket(server), prefix="objects/", endpoint=server.url)
    request.addfinalizer(lambda: asyncio.run(blobs.close()))
    return blobs


LARGE_BYTES = 48_000_000

MAKERS: dict[str, Callable[[Path, pytest.FixtureRequest], Blobs]] = {
    "folder": in_folder,
    "gcs": in_cloud_storage,
}


@pytest.fixture(params=MAKERS)
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    return MAKERS[request.param](tmp_path, request)


def put(blobs: Blobs, key: str, data: bytes = b"x", **how: int | None) -> int:
    return asyncio.run(blobs.put(key, data, **how))


@pytest.mark.parametrize("data", [b"", b"one", b"\x00\n\xff" * 1000, b"m" * 3_000_000])
def test_what_was_put_is_got(blobs, data):
    generation = put(blobs, "w/ent_1/1.json", data)
    blob = asyncio.run(blobs.get("w/ent_1/1.json"))
    assert blob.data == data
    assert blob.generation == generation > 0


@pytest.mark.parametrize("data", [b"", b"\x00\n\xff" * 1000, bytes(range(256)) * 40_000])
def test_a_file_is_put_and_got_as_any_bytes_are(blobs, tmp_path, data):
    (tmp_path / "given").write_bytes(data)
    (tmp_path / "got").write_bytes(b"older and longer" * 10)
    put(blobs, "w/two", data)
    with (tmp_path / "given").open("rb") as given, (tmp_path / "got").open("r+b") as got:
        generation = asyncio.run(blobs.put_file("w/one", given))
        assert asyncio.run(blobs.get("w/one")) == Blob(data, generation)
        asyncio.run(blobs.get_file("w/two", got))
        got.flush()
        assert (tmp_path / "got").read_bytes() == data
        assert asyncio.run(blobs.get_file("w/one", got)) == generation


def test_a_file_takes_no_memory_of_its_size(blobs, tmp_path):
    with (tmp_path / "given").open("w+b") as given, (tmp_path / "got").open("w+b") as got:
        given.truncate(LARGE_BYTES)
        tracemalloc.start()
        try:
            asyncio.run(blobs.put_file("a", given))
            asyncio.run(blobs.get_file("a", got))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert (tmp_path / "got").stat().st_size == LARGE_BYTES
    assert peak < LARGE_BYTES / 2


def test_a_file_is_put_only_where_nothing_is(blobs):
    put(blobs, "a", b"one")
    with pytest.raises(AlreadyExists):
        asyncio.run(blobs.put_file("a", BytesIO(b"two")))
    assert asyncio.run(blobs.get("a")).data == b"one"


def test_a_missing_object_is_not_found(blobs):
    for call in (blobs.get("w/none"), blobs.get_file("w/none", BytesIO())):
        with pytest.raises(NotFound, match="w/none"):
            asyncio.run(call)


def test_put_creates_only_by_default(blobs):
    first = put(blobs, "a", b"one")
    with pytest.raises(AlreadyExists):
        put(blobs, "a", b"two")
    blob = asyncio.run(blobs.get("a"))
    assert (blob.data, blob.generation) == (b"one", first)


def test_put_without_a_precondition_overwrites_and_changes_the_generation(blobs):
    generations = {put(blobs, "a", b"one", if_generation=None) for _ in range(5)}
    assert len(generations) == 5


def test_put_over_the_expected_generation_replaces(blobs):
    first = put(blobs, "a", b"one")
    second = put(blobs, "a", b"two", if_generation=first)
    blob = asyncio.run(blobs.get("a"))
    assert (blob.data, blob.generation) == (b"two", second)
    assert second != first


def test_put_over_another_generation_conflicts_and_changes_nothing(blobs):
    first = put(blobs, "a", b"one")
    second = put(blobs, "a", b"two", if_generation=first)
    with pytest.raises(Conflict):
        put(blobs, "a", b"three", if_generation=first)
    assert asyncio.run(blobs.get("a")).generation == second


def test_put_over_a_generation_of_nothing_conflicts(blobs):
    with pytest.raises(Conflict):
        put(blobs, "a", b"one", if_generation=5)
    with pytest.raises(NotFound):
        asyncio.run(blobs.get("a"))


def test_a_generation_does_not_come_back_after_a_delete(blobs):
    first = put(blobs, "a", b"one")
    asyncio.run(blobs.delete("a"))
    put(blobs, "a", b"one")
    with pytest.raises(Conflict):
        put(blobs, "a", b"two", if_generation=first)


def test_delete_removes_and_may_be_repeated(blobs):
    put(blobs, "a/b")
    for _ in range(2):
        asyncio.run(blobs.delete("a/b"))
    with pytest.raises(NotFound):
        asyncio.run(blobs.get("a/b"))
    assert asyncio.run(blobs.list("")) == []


def test_a_key_may_be_the_beginning_of_another(blobs):
    keys = ["a", "a/b", "a/b/c", "a.b"]
    for key in keys:
        put(blobs, key, key.encode())
    for key in keys:
        assert asyncio.run(blobs.get(key)).data == key.encode()


BAD_KEYS = [
    "", "/", "/a", "a/", "a//b", "..", "a/..", "../a", "a/../../b", ".", "a/./b", "a\\b", "a b",
    "a\x00b",
    "a\nb", "ä", "a~", "a*", "a%2fb", "\ud800", "k" * 5000, "a/" + "k" * 1025,
]  # fmt: skip


@pytest.mark.parametrize("key", BAD_KEYS)
def test_a_bad_key_is_refused_by_every_method(blobs, key, tmp_path):
    calls = blobs.put_file(key, BytesIO()), blobs.get_file(key, BytesIO())
    for call in (blobs.put(key, b"x"), blobs.get(key), blobs.delete(key), *calls):
        with pytest.raises(InvalidInput):
            asyncio.run(call)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    "key", ["a", "A-1_b.c:d", "w:x/ent_1/2.json", "...", "a/.hidden", "k" * 200]
)
def test_a_good_key_is_taken(blobs, key):
    put(blobs, key)
    assert asyncio.run(blobs.list("")) == [key]


def test_list_is_in_order_of_the_whole_key(blobs):
    keys = ["a", "a-b", "a.b", "a/b", "a/b-c", "a/b/c", "a0", "a:b", "B", "b", "_"]
    for key in reversed(keys):
        put(blobs, key)
    assert asyncio.run(blobs.list("")) == sorted(keys)


def test_list_keeps_to_the_prefix(blobs):
    for key in ["w1/a/1", "w1/a/2", "w1/ab", "w10/a", "w2/a"]:
        put(blobs, key)
    assert asyncio.run(blobs.list("w1/")) == ["w1/a/1", "w1/a/2", "w1/ab"]
    assert asyncio.run(blobs.list("w1/a")) == ["w1/a/1", "w1/a/2", "w1/ab"]
    assert asyncio.run(blobs.list("w1")) == ["w1/a/1", "w1/a/2", "w1/ab", "w10/a"]
    assert asyncio.run(blobs.list("w1/a/2")) == ["w1/a/2"]


@pytest.mark.parametrize("prefix", ["none", "../", "/", "a\x00", "a~", "*"])
def test_list_of_a_prefix_that_no_key_has_is_empty(blobs, prefix):
    put(blobs, "a/b")
    assert asyncio.run(blobs.list(prefix)) == []


def test_list_of_nothing_is_empty(blobs):
    assert asyncio.run(blobs.list("")) == []


def test_list_goes_on_after_a_key(blobs):
    keys = sorted(f"w/{part}/{number}" for part in "abc" for number in range(5))
    for key in keys:
        put(blobs, key)
    pages, after = [], ""
    while page := asyncio.run(blobs.list("w/", limit=4, after=after)):
        pages += page
        after = page[-1]
        assert len(page) <= 4
    assert pages == keys
    assert asyncio.run(blobs.list("w/", after="w/b")) == keys[5:]
    assert asyncio.run(blobs.list("w/", limit=0)) == []


LISTED = sorted(["a", "a-b", "a/b", "a/b/c", "a/c", "ab/c", "b", "b/a/a", "b/a/b", "c.d/e"])


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
)
@given(
    prefix=st.text("abc-./", max_size=4),
    after=st.text("abc-./", max_size=5),
    limit=st.integers(1, 12),
)
def test_list_equals_the_sorted_keys_that_fit(blobs, prefix, after, limit):
    for key in LISTED:
        put(blobs, key, if_generation=None)
    fit = [key for key in LISTED if key.startswith(prefix) and key > after]
    assert asyncio.run(blobs.list(prefix, after=after, limit=limit)) == fit[:limit]


def test_of_many_creators_at_once_one_wins(blobs):
    async def race() -> list[object]:
        puts = (blobs.put("a", str(number).encode()) for number in range(16))
        return await asyncio.gather(*puts, return_exceptions=True)

    results = asyncio.run(race())
    winners = [number for number, result in enumerate(results) if isinstance(result, int)]
    losers = [result for result in results if isinstance(result, AlreadyExists)]
    assert (len(winners), len(losers)) == (1, 15)
    assert asyncio.run(blobs.get("a")).data == str(winners[0]).encode()


def test_ping_returns(blobs):
    assert asyncio.run(blobs.ping()) is None
