"""What several pages show alike: tones, snapshot markers, models' names, the end of a list."""

from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlencode

from markupsafe import Markup, escape

from functions.console.charts import Marker
from shared.domain.access import Caller
from shared.messages.base import PageParams
from shared.services import learning_status
from shared.services.deps import Deps

Tone = Literal["good", "fair", "poor"]

GOOD, FAIR = 0.7, 0.45
_MARKERS = 50


def tone(score: float) -> Tone:
    """Returns how a score (0..1) is coloured: good from 0.7, fair from 0.45."""
    if score >= GOOD:
        return "good"
    return "fair" if score >= FAIR else "poor"


async def snapshot_markers(deps: Deps, caller: Caller) -> list[Marker]:
    """Returns when the newest snapshots were made, for every chart over time."""
    found = await learning_status.snapshots(deps, caller, PageParams(limit=_MARKERS))
    return [
        Marker(one.created_at, f"Snapshot {short(one.snapshot_id)}, {one.created_at}")
        for one in found.items
    ]


def short(snapshot_id: str) -> str:
    """Returns the part of an id by which people tell it from others."""
    return snapshot_id[:13]


def model_name(model: object) -> str:
    """Returns `provider/model` of a model as records hold it; "the default" for none."""
    if isinstance(model, Mapping):
        return f"{model.get('provider', '')}/{model.get('model', '')}"
    return "the default" if model is None else str(model)


def number_of(value: object) -> float | None:
    """Returns a number, or the mean of an estimate, as a run's figures hold them; else None."""
    found = value.get("mean") if isinstance(value, Mapping) else value
    return float(found) if isinstance(found, int | float) else None


def page_url(path: str, cursor: str | None, **fields: object) -> str | None:
    """Returns the address of the page behind `cursor`, None where there is none."""
    if cursor is None:
        return None
    given = {name: value for name, value in fields.items() if value is not None}
    return f"{path}?{urlencode({**given, 'cursor': cursor})}"


def highlighted(passage: str) -> Markup:
    """Returns a passage of a search with its **matches** marked; everything else is escaped."""
    parts = passage.split("**")
    if len(parts) % 2 == 0:  # an opening mark without its end: show it as it is
        return escape(passage)
    marked = [
        Markup("<mark>{}</mark>").format(part) if place % 2 else escape(part)
        for place, part in enumerate(parts)
    ]
    return Markup("").join(marked)
