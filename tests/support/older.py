"""Databases of an older system, good rows and rubbish among each other, for tests of importing."""

import random
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

TABLES = {
    "requests": "request_id TEXT, prompt TEXT, provider TEXT, model TEXT, complexity TEXT,"
    " latency_ms TEXT, cost TEXT, created_at TEXT, shoe_size TEXT",
    "routing_metrics": "request_id TEXT, selected_provider TEXT, selected_model TEXT, pattern TEXT,"
    " confidence TEXT, response_time TEXT, timestamp TEXT",
    "response_feedback": "id TEXT, request_id TEXT, quality_score TEXT, is_correct TEXT,"
    " comment TEXT, user_id TEXT, created_at TEXT",
    "response_cache": "cache_key TEXT, prompt TEXT, response TEXT, model TEXT, created_at TEXT",
}

Rows = dict[str, list[tuple[Any, ...]]]


def time(number: int) -> str:
    """Returns a time; later numbers are later."""
    moment = datetime(2025, 1, 11, tzinfo=UTC) + timedelta(seconds=number)
    return moment.replace(tzinfo=None).isoformat(" ")


def made(requests: int, ratings: int) -> Rows:
    """Returns rows of which about a tenth is rubbish; the same every time."""
    chance = random.Random(7)
    return {
        "requests": [_request(n, chance) for n in range(requests)],
        "routing_metrics": [
            *(_metrics(n) for n in range(0, requests, 10)),
            *(_lone_metrics(n) for n in range(20)),
        ],
        "response_feedback": [_rating(n, requests) for n in range(ratings)],
        "response_cache": [_cached(n) for n in range(6)],
    }


def _request(n: int, chance: random.Random) -> tuple[Any, ...]:
    row: dict[str, Any] = {
        "id": f"r{n}",
        "prompt": f"Write a function {n}.",
        "provider": "local" if n % 10 else None,  # then the metrics tell
        "model": f"m{n % 3}",
        "complexity": "simple",
        "latency": str(chance.randrange(50, 900)),
        "cost": f"{chance.randrange(1, 900) / 1e5:.5f}",
        "at": time(n),
        "shoe_size": "44",
    }
    rubbish: dict[int, tuple[str, Any]] = {
        7: ("id", None),
        17: ("at", "yesterday"),
        27: ("latency", "-4"),
        37: ("model", ""),
    }
    if n % 50 in rubbish:
        name, value = rubbish[n % 50]
        row[name] = value
    return tuple(row.values())


def _metrics(n: int) -> tuple[Any, ...]:
    return (f"r{n}", "other", f"m{n % 3}", "code", "0.7", "0.25", time(n))


def _lone_metrics(n: int) -> tuple[Any, ...]:
    """Returns metrics of a request that is not there; every fourth says nothing."""
    if n % 4 == 0:
        return (f"x{n}", None, None, None, None, None, None)
    return (f"x{n}", "local", "m1", "math", "0.5", "1.5", time(n))


def _rating(n: int, requests: int) -> tuple[Any, ...]:
    row: dict[str, Any] = {
        "id": f"f{n}",
        "of": f"r{n % requests}",
        "quality": str(1 + n % 5),
        "right": "true" if n % 5 > 2 else "0",
        "comment": "ok",
        "user": f"u{n % 7}" if n % 3 else None,
        "at": time(n),
    }
    rubbish = {3: ("quality", "11"), 13: ("right", "maybe"), 23: ("of", "nobody's")}
    if n % 40 in rubbish:
        name, value = rubbish[n % 40]
        row[name] = value
    return tuple(row.values())


def _cached(n: int) -> tuple[Any, ...]:
    answer = f"Answer number {n} is {'yes' * n}." if n else None
    return (f"c{n}", f"Question {n}?", answer, "m1", time(n))


def sqlite_of(path: Path, rows: Rows) -> Path:
    """Writes an SQLite file."""
    connection = sqlite3.connect(path)
    for name, columns in TABLES.items():
        connection.execute(f"CREATE TABLE {name} ({columns})")
        marks = ", ".join("?" * len(columns.split(",")))
        connection.executemany(f"INSERT INTO {name} VALUES ({marks})", rows[name])
    connection.commit()
    connection.close()
    return path


def postgres_of(dsn: str, rows: Rows) -> str:
    """Fills a PostgreSQL database."""
    import psycopg

    with psycopg.connect(dsn) as connection:
        for name, columns in TABLES.items():
            connection.execute(f"CREATE TABLE {name} ({columns})")
            marks = ", ".join(["%s"] * len(columns.split(",")))
            connection.cursor().executemany(f"INSERT INTO {name} VALUES ({marks})", rows[name])
    return dsn
