"""The proxies hand on what they get, and count what has succeeded."""

import asyncio
import http.client
import json
import threading
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import pytest
from google.api_core.exceptions import NotFound
from google.pubsub_v1 import PublisherAsyncClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcAsyncIOTransport
from google.pubsub_v1.types import PublishRequest, PublishResponse

from bench import billing
from bench.proxies import Recorder


class Storage(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        refused = body == b"refused"
        link = f"http://127.0.0.1:{self.server.server_address[1]}/o/x"
        data = json.dumps({"mediaLink": link, "path": self.path, "size": len(body)}).encode()
        self.send_response(412 if refused else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("X-Goog-Hash", "crc32c=abc")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def storage():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Storage)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def recorder(storage):
    with Recorder(lambda: "127.0.0.1:1", None, lambda: storage, lambda: storage) as made:
        yield made


def send(address, path, body):
    connection = http.client.HTTPConnection(address, timeout=10)
    connection.request("POST", path, body)
    answer = connection.getresponse()
    found = answer.status, answer.getheader("X-Goog-Hash"), json.loads(answer.read())
    connection.close()
    return found


def test_an_upload_is_handed_on_and_counted(recorder, storage):
    address = recorder.address("storage")
    path = "/upload/storage/v1/b/bucket/o?name=a%2Fb"
    status, sum_, told = send(address, path, b"four")
    assert (status, sum_, told["path"], told["size"]) == (200, "crc32c=abc", path, 4)
    assert recorder.take() == {billing.CLASS_A: 1}
    assert recorder.take() == {}
    assert told["mediaLink"] == f"http://{address}/o/x", storage


def test_what_was_refused_is_handed_on_and_not_counted(recorder):
    status, _, _ = send(recorder.address("storage"), "/upload/storage/v1/b/x/o", b"refused")
    assert status == 412
    assert recorder.take() == {}


def test_a_push_is_counted_as_a_delivery(recorder):
    message = {"data": b64encode(b"x" * 3000).decode(), "attributes": {}, "messageId": "7"}
    send(recorder.address("push"), "/events", json.dumps({"message": message}).encode())
    assert recorder.take() == {billing.DELIVERIES: 1, billing.BYTES: 3021}


class Topics(grpc.GenericRpcHandler):
    def service(self, handler_call_details):
        assert handler_call_details.method.endswith("/Publish")
        return grpc.unary_unary_rpc_method_handler(self._publish)

    async def _publish(self, request, context):
        asked = PublishRequest.deserialize(request)
        if asked.topic.endswith("missing"):
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such topic")
        ids = [str(number) for number in range(len(asked.messages))]
        return PublishResponse.serialize(PublishResponse(message_ids=ids))


def publish(recorder_of, topic):
    async def run():
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((Topics(),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        with recorder_of(port) as recorder:
            channel = grpc.aio.insecure_channel(recorder.address("pubsub"))
            client = PublisherAsyncClient(transport=PublisherGrpcAsyncIOTransport(channel=channel))
            messages = [{"data": b"a"}, {"data": b"b"}]
            try:
                found = await client.publish(request={"topic": topic, "messages": messages})
                return list(found.message_ids), recorder.take()
            except NotFound as error:
                return error, recorder.take()
            finally:
                await client.transport.close()
                await server.stop(None)

    return asyncio.run(run())


def of_pubsub(port):
    return Recorder(lambda: "127.0.0.1:1", lambda: f"127.0.0.1:{port}")


def test_a_publication_is_handed_on_and_counted_by_topic():
    ids, tally = publish(of_pubsub, "projects/p/topics/one")
    assert ids == ["0", "1"]
    assert tally[f"{billing.MESSAGES} projects/p/topics/one"] == tally[billing.MESSAGES] == 2
    assert tally[billing.BYTES] == 1000


def test_an_error_is_handed_on_and_not_counted():
    error, tally = publish(of_pubsub, "projects/p/topics/missing")
    assert isinstance(error, NotFound)
    assert "no such topic" in str(error)
    assert tally == {}
