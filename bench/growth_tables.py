"""The figures of growth: where they are kept, and their tables and plots for the docs."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.billing import READS, WRITES
from bench.growth_costs import PAGES, STEPS
from shared.cli.plots import Series, svg

ROOT = Path(__file__).resolve().parents[1]
FIGURES = Path(__file__).with_name("growth.json")
PAGE = ROOT / "docs" / "architecture.md"
MARKS = "<!-- {}: begin -->", "<!-- {}: end -->"
SMALLEST = 1_000
INDEX = "index"
PLOTS = {"sqlite": "SQLite", "postgres": "PostgreSQL"}
PLOTTED = (
    "submit",
    "queue, first page",
    "queue, page in the middle",
    "claim the next",
    "approve",
    "statistics",
    "search, a rare word",
    "training, dry run",
)
"""As many as there are colours."""

Sizes = Mapping[str, Any]
"""What was measured, by the number of entries; of a store by request, of the index at once."""

Figures = Mapping[str, Mapping[str, Any]]


def sizes(most: int) -> list[int]:
    """Returns 10^3, 10^4 and so on, up to `most`."""
    found = [SMALLEST]
    while found[-1] * 10 <= most:
        found.append(found[-1] * 10)
    return found


def keep(name: str, found: Sizes) -> None:
    """Writes the figures of a store, or of the index, into the file, beside the others."""
    known = json.loads(FIGURES.read_text("utf-8")) if FIGURES.exists() else {}
    known[name] = {"measured": datetime.now(UTC).date().isoformat(), "sizes": found}
    FIGURES.write_text(json.dumps(known, indent=1) + "\n", "utf-8")


def sizes_of(figures: Figures, store: str) -> Sizes:
    """Returns what was measured of a store, by the number of entries and the request."""
    found: Sizes = figures[store]["sizes"]
    return found


def table(figures: Figures) -> str:
    """Returns a row for each request: what it costs each store at 1,000 entries and at the most."""
    stores = {name: sizes_of(figures, name) for name in ("firestore", *PLOTS)}
    first, last = _ends(stores["firestore"])
    heads = [f"Firestore reads, {_power(first)}", f"{_power(last)}", "writes, both"]
    for store, unit in (("postgres", PAGES), ("sqlite", STEPS)):
        _, most = _ends(stores[store])
        name = PLOTS[store]
        heads += [f"{name} {unit}, 10³", f"× at {_power(most)}", "ms, 10³", f"× at {_power(most)}"]
    lines = [f"| one request | {' | '.join(heads)} |", "|---|" + "---:|" * len(heads)]
    asked = filter(None, stores["sqlite"]["1000"])
    lines += [f"| {what} | {' | '.join(_cells(stores, what))} |" for what in asked]
    return "\n".join(lines)


def _cells(stores: Mapping[str, Sizes], what: str) -> Iterator[str]:
    found = stores["firestore"]
    first, last = (found[size][what] for size in _ends(found))
    yield f"{first[READS]:,.0f}"
    yield f"{last[READS]:,.0f}"
    writes = sorted({round(one[WRITES]) for one in (first, last)})
    yield " to ".join(map(str, writes))
    for store, unit in (("postgres", PAGES), ("sqlite", STEPS)):
        found = stores[store]
        first, last = (found[size][what] for size in _ends(found))
        for name, form in ((unit, ",.0f"), ("ms", ".2g" if first["ms"] < 1 else ".1f")):
            yield format(first[name], form)
            yield f"{last[name] / first[name]:.1f}" if first[name] else ""


def _ends(found: Sizes) -> tuple[str, str]:
    ordered = sorted(found, key=int)
    return ordered[0], ordered[-1]


def _power(size: str) -> str:
    return "10" + "³⁴⁵⁶"[len(size) - 4]


def plot(figures: Figures, store: str) -> str:
    """Returns the times of some requests on one store as multiples of those at 1,000 entries."""
    found = sizes_of(figures, store)
    first, _ = _ends(found)
    series = [
        Series(
            what,
            [
                (len(size) - 1, found[size][what]["ms"] / found[first][what]["ms"])
                for size in sorted(found, key=int)
            ],
        )
        for what in PLOTTED
    ]
    title = f"Time of a request on {PLOTS[store]}, against 1,000 entries"
    return svg(title, "entries in the workspace, 10 to the power of", "times", series)


def index_table(figures: Figures) -> str:
    """Returns a row for each size of the search index."""
    heads = ("file, MB", "saved in, s", "memory for that, MiB", "loaded in, s", "memory, MiB")
    names = ("file_mb", "saved_s", "save_mib", "loaded_s", "load_mib")
    lines = [f"| entries | {' | '.join(heads)} |", "|---:|" + "---:|" * len(heads)]
    for size, one in sorted(sizes_of(figures, INDEX).items(), key=lambda pair: int(pair[0])):
        cells = [f"{one[name]:,.{0 if one[name] >= 10 else 2}f}" for name in names]
        lines.append(f"| {int(size):,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def written(page: str, tables: Mapping[str, str]) -> str:
    """Returns a page with each table between its two marks.

    Raises:
        ValueError: the page lacks a mark.
    """
    for name, text in tables.items():
        begin, end = (mark.format(name) for mark in MARKS)
        before, behind = page.index(begin) + len(begin), page.index(end)
        page = f"{page[:before]}\n{text}\n{page[behind:]}"
    return page


def read() -> Figures:
    """Returns the kept figures."""
    found: Figures = json.loads(FIGURES.read_text("utf-8"))
    return found


def shown(figures: Figures) -> dict[Path, str]:
    """Returns what the page and the plots are to hold, by where they are."""
    tables = {"growth": table(figures), "growth-index": index_table(figures)}
    plots = {ROOT / "docs" / f"growth-{store}.svg": plot(figures, store) for store in PLOTS}
    return {PAGE: written(PAGE.read_text("utf-8"), tables), **plots}


def write() -> None:
    """Puts the tables and the plots of the kept figures into the docs."""
    for path, text in shown(read()).items():
        path.write_text(text, "utf-8")
