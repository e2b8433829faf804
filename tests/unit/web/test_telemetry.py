"""What requests leave behind: counts by route and tier, and one line of JSON each."""

import json
import logging

from shared.web import telemetry


def test_requests_are_counted_by_route_with_errors_and_latency():
    meter = telemetry.RouteMeter("submit", "GET", "/test/telemetry")
    for status, seconds in ((200, 0.003), (200, 0.004), (404, 0.2), (500, 70.0)):
        meter.observe(status, seconds)
    found = telemetry.route_traffic()["submit", "GET", "/test/telemetry"]
    assert (found.requests, found.errors) == (4, 1)
    assert sum(found.counts) == 4
    assert found.counts[found.bounds.index(0.005)] == 2
    assert found.counts[-1] == 1
    assert found.bounds[-1] == float("inf")


def test_requests_are_exported_by_status_and_in_cumulated_buckets():
    meter = telemetry.RouteMeter("submit", "PUT", "/test/telemetry")
    for status, seconds in ((200, 0.001), (200, 0.004), (500, 70.0)):
        meter.observe(status, seconds)
    lines = telemetry.openmetrics()[0].decode().splitlines()
    route = 'function="submit",method="PUT",route="/test/telemetry"'
    assert f'whetstone_requests_total{{{route},status="200"}} 2.0' in lines
    assert f'whetstone_requests_total{{{route},status="500"}} 1.0' in lines
    buckets = [line for line in lines if "seconds_bucket" in line and 'method="PUT"' in line]
    buckets = [line for line in buckets if 'route="/test/telemetry"' in line]
    assert [float(line.split()[-1]) for line in buckets] == [1, 1, *[2] * 12, 3]
    assert f"whetstone_request_seconds_count{{{route}}} 3.0" in lines
    assert f"whetstone_request_seconds_sum{{{route}}} 70.005" in lines


def test_searches_are_counted_by_tier_and_success():
    telemetry.observe_search("telemetry-test", 0.01, found=True)
    telemetry.observe_search("telemetry-test", 0.01, found=False)
    telemetry.observe_search("telemetry-test", 0.01, found=False)
    found = telemetry.search_traffic()
    assert found["telemetry-test", True].requests == 1
    assert found["telemetry-test", False].requests == 2


def test_metrics_tell_of_the_process_too():
    text, media = telemetry.openmetrics()
    assert media.startswith("application/openmetrics-text")
    assert b"process_resident_memory_bytes" in text
    assert text.endswith(b"# EOF\n")


def test_a_log_line_is_json_with_its_fields():
    record = logging.makeLogRecord(
        {"name": "whetstone.x", "levelname": "WARNING", "msg": "event.name", "entry_id": "ent_1"}
    )
    line = json.loads(telemetry.JsonFormatter().format(record))
    assert (line["severity"], line["message"], line["entry_id"]) == (
        "WARNING",
        "event.name",
        "ent_1",
    )
    assert "exception" not in line


def test_a_log_line_carries_the_exception():
    error = ValueError("what went wrong")
    record = logging.makeLogRecord({"msg": "x", "exc_info": (ValueError, error, None)})
    assert "what went wrong" in json.loads(telemetry.JsonFormatter().format(record))["exception"]
