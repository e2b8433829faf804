"""What is billed of a call, as Google's price pages say it."""

import re

import pytest
from google.cloud.firestore_v1.types import document, firestore, write
from google.protobuf.timestamp_pb2 import Timestamp
from google.pubsub_v1.types import PubsubMessage

from bench import billing
from bench.billing import FirestoreBill, added, cost_usd, delivered, published, storage_call

DATABASE = "projects/p/databases/(default)"


def named(name):
    return f"{DATABASE}/documents/entries/{name}"


def got(*, found=(), missing=(), at=1):
    moment = Timestamp(seconds=at)
    answers = [
        firestore.BatchGetDocumentsResponse(
            found=document.Document(name=named(one)), read_time=moment
        )
        for one in found
    ]
    answers += [
        firestore.BatchGetDocumentsResponse(missing=named(one), read_time=moment) for one in missing
    ]
    return [firestore.BatchGetDocumentsResponse.serialize(one) for one in answers]


def asked(*names, at=None):
    moment = {} if at is None else {"read_time": Timestamp(seconds=at)}
    request = firestore.BatchGetDocumentsRequest(
        database=DATABASE, documents=[named(one) for one in names], **moment
    )
    return firestore.BatchGetDocumentsRequest.serialize(request)


def test_a_document_that_is_missing_costs_a_read_as_well():
    bill = FirestoreBill()
    tally = bill.call("BatchGetDocuments", asked("a", "b"), got(found=["a"], missing=["b"]))
    assert tally == {billing.READS: 2}


def test_an_answer_that_only_opens_a_transaction_costs_nothing():
    opened = firestore.BatchGetDocumentsResponse(transaction=b"t")
    answers = [firestore.BatchGetDocumentsResponse.serialize(opened), *got(found=["a"])]
    assert FirestoreBill().call("BatchGetDocuments", asked("a"), answers)[billing.READS] == 1


def test_what_only_the_emulator_is_asked_is_taken_off():
    bill = FirestoreBill()
    bill.call("BatchGetDocuments", asked("a"), got(found=["a"], at=7))
    several = got(found=["a", "b"], at=7)
    tally = bill.call("BatchGetDocuments", asked("a", "b", at=7), several)
    assert tally[billing.READS] == 1
    tally = bill.call("BatchGetDocuments", asked("a", "b", at=7), several)
    assert tally[billing.READS] == 2


def test_documents_as_of_another_moment_are_all_billed():
    bill = FirestoreBill()
    bill.call("BatchGetDocuments", asked("a"), got(found=["a"], at=7))
    tally = bill.call("BatchGetDocuments", asked("a", "b", at=8), got(found=["a", "b"], at=8))
    assert tally[billing.READS] == 2


@pytest.mark.parametrize(("found", "reads"), [(0, 1), (1, 1), (50, 50)])
def test_a_query_costs_what_it_finds_and_at_least_one(found, reads):
    answers = [
        firestore.RunQueryResponse(document=document.Document(name=named(str(number))))
        for number in range(found)
    ]
    raw = [firestore.RunQueryResponse.serialize(one) for one in answers]
    raw.append(firestore.RunQueryResponse.serialize(firestore.RunQueryResponse()))
    assert FirestoreBill().call("RunQuery", b"", raw) == {billing.READS: reads}


@pytest.mark.parametrize(("counted", "reads"), [(0, 1), (1000, 1), (1001, 2)])
def test_a_count_costs_a_read_for_each_thousand(counted, reads):
    result = {"aggregate_fields": {"n": document.Value(integer_value=counted)}}
    answer = firestore.RunAggregationQueryResponse(result=result)
    raw = [firestore.RunAggregationQueryResponse.serialize(answer)]
    assert FirestoreBill().call("RunAggregationQuery", b"", raw) == {billing.READS: reads}


def test_deletes_are_told_from_writes():
    writes = [
        write.Write(update=document.Document(name=named("a"))),
        write.Write(update=document.Document(name=named("b"))),
        write.Write(delete=named("c")),
    ]
    request = firestore.CommitRequest.serialize(firestore.CommitRequest(writes=writes))
    tally = FirestoreBill().call("Commit", request, [b""])
    assert (tally[billing.WRITES], tally[billing.DELETES]) == (2, 1)


def test_beginning_and_rolling_back_cost_nothing():
    assert FirestoreBill().call("BeginTransaction", b"", [b""]) == {}
    assert FirestoreBill().call("Rollback", b"", [b""]) == {}


def test_a_request_of_small_messages_is_billed_as_a_thousand_bytes():
    message = PubsubMessage(data=b"x" * 30, attributes={"type": "a"})
    tally = published("topic", [message] * 2, ["1", "2"])
    assert tally == {billing.MESSAGES: 2, f"{billing.MESSAGES} topic": 2, billing.BYTES: 1000}


def test_a_large_message_is_billed_with_its_attributes_its_id_and_its_time():
    sized = len("naïve".encode()) + len("key") + 2000 + len("12345") + 20
    assert delivered(b"x" * 2000, {"key": "naïve"}, "12345") == {
        billing.DELIVERIES: 1,
        billing.BYTES: sized,
    }


@pytest.mark.parametrize(
    ("method", "path", "class_"),
    [
        ("POST", "/upload/storage/v1/b/bucket/o", billing.CLASS_A),
        ("GET", "/storage/v1/b/bucket/o", billing.CLASS_A),
        ("POST", "/storage/v1/b/bucket/o/x/compose", billing.CLASS_A),
        ("PATCH", "/storage/v1/b/bucket/o/x", billing.CLASS_A),
        ("GET", "/storage/v1/b/bucket/o/workspaces%2Fa.json", billing.CLASS_B),
        ("GET", "/download/storage/v1/b/bucket/o/x", billing.CLASS_B),
        ("DELETE", "/storage/v1/b/bucket/o/x", None),
        ("PUT", "/upload/storage/v1/b/bucket/o", None),
    ],
)
def test_requests_to_cloud_storage_have_the_class_of_their_operation(method, path, class_):
    assert storage_call(method, path) == ({} if class_ is None else {class_: 1})


def test_the_cost_is_the_sum_of_what_has_a_price():
    prices = billing.read_prices()
    counted = {billing.READS: 200_000, billing.CLASS_A: 2_000, billing.MESSAGES: 5}
    reads, inserts = prices[billing.READS].usd, prices[billing.CLASS_A].usd
    assert cost_usd(counted, prices) == pytest.approx(2 * reads + 2 * inserts)


def test_every_price_says_where_it_is_from_and_whether_it_was_confirmed():
    prices = billing.read_prices()
    assert set(prices) >= {
        billing.READS,
        billing.WRITES,
        billing.DELETES,
        billing.BYTES,
        billing.CLASS_A,
        billing.CLASS_B,
    }
    assert all(one.source and type(one.confirmed) is bool for one in prices.values())
    assert all(one.usd > 0 and one.per > 0 for one in prices.values())
    assert re.search(r"(?m)^checked: \d{4}-\d\d-\d\d$", billing.PRICES.read_text("utf-8"))


def test_tallies_add_up_by_name():
    assert added([{"a": 1}, {"a": 2, "b": 3}]) == {"a": 3, "b": 3}
    assert added([]) == {}
