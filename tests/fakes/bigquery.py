"""A server that speaks BigQuery's `jobs.query`, and executes the very SQL on DuckDB.

The statement is read as BigQuery's (sqlglot), written as DuckDB's and run over tables made from the
schema files. What it proves: the statements are sums of what they say, parameters and results make
the way through Google's client, rows that come twice count once. What it does not: BigQuery's own
reading of the SQL, its types beyond these, its costs, its delays.

`deliver` does what a Pub/Sub subscription with the table's schema does with a message.
"""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import duckdb
import sqlglot
from sqlglot import exp

import shared.adapters

SCHEMAS = Path(shared.adapters.__file__).parent / "bigquery_tables"
_TYPES = {"STRING": "VARCHAR", "INTEGER": "BIGINT", "FLOAT": "DOUBLE"}
_PYTHON = {"STRING": (str,), "INTEGER": (int,), "FLOAT": (int, float)}
_QUERY = re.compile(r"/bigquery/v2/projects/([^/]+)/queries")


def schema(table: str) -> list[dict[str, str]]:
    """Returns the fields of a table, as its schema file says."""
    return json.loads((SCHEMAS / f"{table}.json").read_text("utf-8"))


class BigQueryServer:
    """Tables of one dataset, `<project>.<dataset>`, empty at first.

    `failures` are statuses that are answered first, one a request; `asked` are the statements as
    they came, `labels` those of the last one.
    """

    def __init__(self, project: str = "local", dataset: str = "learning") -> None:
        self.project, self.dataset = project, dataset
        self.failures: list[int] = []
        self.asked: list[str] = []
        self.labels: dict[str, str] = {}
        self._lock = threading.Lock()
        self._duck = duckdb.connect()
        for path in SCHEMAS.glob("*.json"):
            columns = ", ".join(
                f'"{one["name"]}" {_TYPES[one["type"]]} NOT NULL' for one in schema(path.stem)
            )
            self._duck.execute(f"CREATE TABLE {path.stem} ({columns})")
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.bigquery = self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def deliver(self, table: str, message: bytes) -> None:
        """Writes a message into a table: JSON, whose fields are the table's, all of them."""
        row, fields = json.loads(message), schema(table)
        assert set(row) == {one["name"] for one in fields}
        for one in fields:
            value = row[one["name"]]
            assert isinstance(value, _PYTHON[one["type"]]), (one, value)
            assert not isinstance(value, bool), (one, value)
        marks = ", ".join("?" * len(fields))
        values = [row[one["name"]] for one in fields]
        with self._lock:
            self._duck.execute(f"INSERT INTO {table} VALUES ({marks})", values)

    def count(self, table: str) -> int:
        """Returns how many rows a table has, copies included."""
        with self._lock:
            return self._duck.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Returns the status and the body of the answer to a request."""
        match = _QUERY.fullmatch(path.partition("?")[0])
        if self.failures:
            status = self.failures.pop(0)
            reason = "accessDenied" if status == 403 else "backendError"
            return _failure(status, reason, "made to fail")
        if match is None or match[1] != self.project or body.get("useLegacySql") is not False:
            return _failure(404, "notFound", f"nothing at {path}")
        self.asked.append(body["query"])
        self.labels = body.get("labels", {})
        try:
            sql = self._translated(body["query"])
        except LookupError as error:
            return _failure(404, "notFound", str(error))
        with self._lock:
            found = self._duck.execute(sql, _parameters(body["queryParameters"]))
            names = [one[0] for one in found.description]
            rows = found.fetchall()
        return 200, _result(self.project, names, rows)

    def _translated(self, sql: str) -> str:
        tree = sqlglot.parse_one(sql, read="bigquery")
        for table in tree.find_all(exp.Table):
            if (table.catalog, table.db) != (self.project, self.dataset):
                raise LookupError(f"no table {table.sql()}")
            table.replace(exp.to_table(table.name))
        return tree.sql(dialect="duckdb")

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._duck.close()


def _parameters(sent: list[dict[str, Any]]) -> dict[str, Any]:
    readers = {"STRING": str, "INT64": int}
    return {
        one["name"]: readers[one["parameterType"]["type"]](one["parameterValue"]["value"])
        for one in sent
    }


def _result(project: str, names: list[str], rows: list[tuple[Any, ...]]) -> dict[str, Any]:
    types = [
        "STRING" if any(isinstance(row[column], str) for row in rows) else "INTEGER"
        for column in range(len(names))
    ]
    return {
        "kind": "bigquery#queryResponse",
        "jobReference": {"projectId": project, "jobId": "job", "location": "US"},
        "jobComplete": True,
        "schema": {
            "fields": [
                {"name": f"f{place}_", "type": kind, "mode": "NULLABLE"}
                for place, kind in enumerate(types)
            ]
        },
        "rows": [{"f": [{"v": str(value)} for value in row]} for row in rows],
        "totalRows": str(len(rows)),
    }


def _failure(status: int, reason: str, message: str) -> tuple[int, dict[str, Any]]:
    error = {"code": status, "message": message, "errors": [{"reason": reason}]}
    return status, {"error": error}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    bigquery: BigQueryServer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        status, answer = self.server.bigquery.answer(self.path, body)
        content = json.dumps(answer).encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Says nothing."""
