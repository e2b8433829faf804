"""Tables as CSV, for people who go on in a spreadsheet."""

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from shared.messages.base import PageParams

MEDIA = "text/csv; charset=utf-8"

CSV = {"text/csv": {"schema": {"type": "string"}}}
"""How the description of the API tells of an answer that may come as CSV."""

_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""What a spreadsheet may take for the start of a formula, full-width forms among them."""


def csv_response(rows: Iterable[Mapping[str, Any]], name: str) -> Response:
    """Returns rows as a CSV file; nested values become columns `outer.inner`, lists one cell.

    Text that a spreadsheet would run as a formula gets an apostrophe in front, in the head too.
    """
    flat = [dict(_flat(row)) for row in rows]
    columns = list(dict.fromkeys(column for row in flat for column in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="")
    writer.writerow({column: _safe(column) for column in columns})
    writer.writerows({column: _safe(value) for column, value in row.items()} for row in flat)
    headers = {"content-disposition": f'attachment; filename="{name}.csv"'}
    return Response(text.getvalue().encode(), media_type=MEDIA, headers=headers)


def next_page(asked: PageParams, cursor: str | None) -> dict[str, str]:
    """Returns the header `Link` to the page behind this one, as RFC 8288 has it; none on the last.

    The link is relative to the request, so that it is right behind any prefix and alias.
    """
    if cursor is None:
        return {}
    query = {**asked.model_dump(mode="json", exclude_none=True), "cursor": cursor}
    return {"link": f'<?{urlencode(query)}>; rel="next"'}


def _flat(row: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in row.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list | tuple):
            yield f"{prefix}{name}", "; ".join(map(str, value))
        else:
            yield f"{prefix}{name}", value


def _safe(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
