"""Values and names as Firestore has them, and back.

Records lie under `workspaces/{workspace}/{collection}/{id}`: the path is the wall between
workspaces, since every read and every write names it.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import Any, TypeAlias, cast

from google.cloud.firestore_v1.types import document as documents

from shared.domain.records import Collection, R
from shared.domain.times import from_text

Plain: TypeAlias = (
    "bool | int | float | str | datetime | Sequence[Plain] | Mapping[str, Plain] | None"
)
"""What a field can hold."""

Pb: TypeAlias = Any
"""A protobuf message: their classes are made at run time and have no types."""

PbFields: TypeAlias = Mapping[str, Pb]
"""The fields of a document as protobuf values."""

_Value = documents.Value.pb()
_Array = documents.ArrayValue.pb()
_Map = documents.MapValue.pb()
_KINDS: Mapping[type, str] = {
    bool: "boolean_value",
    int: "integer_value",
    float: "double_value",
    str: "string_value",
}
"""In this order: a bool is an int."""

_RESERVED = re.compile(r"__.*__", re.DOTALL)

DOC = "doc"
"""The field with the record itself, as JSON; never indexed."""


def encode(value: Plain) -> Pb:
    """Returns the protobuf value.

    Raises:
        ValueError: a number over 64 bits, or a text that is no Unicode.
    """
    kind = _KINDS.get(type(value))
    if kind is not None:
        return _Value(**{kind: value})
    if value is None:
        return _Value(null_value=0)
    if isinstance(value, datetime):
        return documents.Value.pb(documents.Value(timestamp_value=value))
    if isinstance(value, Mapping):
        return _Value(map_value=_Map(fields=encode_fields(value)))
    return _Value(
        array_value=_Array(values=[encode(one) for one in cast("Sequence[Plain]", value)])
    )


def encode_fields(fields: Mapping[str, Plain]) -> dict[str, Any]:
    """Returns the fields of a document."""
    return {name: encode(value) for name, value in fields.items()}


def decode(value: Pb) -> Pb:
    """Returns what `encode` was given; a moment as its protobuf timestamp."""
    kind = value.WhichOneof("value_type")
    if kind == "null_value":
        return None
    if kind == "map_value":
        return decode_fields(value.map_value.fields)
    if kind == "array_value":
        return [decode(one) for one in value.array_value.values]
    return getattr(value, kind)


def decode_fields(fields: PbFields) -> dict[str, Any]:
    """Returns the fields of a document as plain values."""
    return {name: decode(value) for name, value in fields.items()}


def record_fields(collection: Collection[R], record: R) -> dict[str, Any]:
    """Returns the fields of a record's document: its id, its columns, and all of it as `doc`.

    The time after which it may be deleted is a moment, as Firestore's TTL wants it.
    """
    names, read = _columns(collection)
    fields: dict[str, Plain] = {"id": record.id, **dict(zip(names, read(record), strict=True))}
    if collection.expires is not None:
        fields[collection.expires] = from_text(getattr(record, collection.expires))
    fields[DOC] = record.__pydantic_serializer__.to_json(record).decode()
    return encode_fields(fields)


def read_record(collection: Collection[R], fields: PbFields) -> R:
    """Returns the record of a document."""
    record: R = collection.record.__pydantic_validator__.validate_json(fields[DOC].string_value)
    return record


def escape(id: str) -> str:
    """Returns `id` as the last part of a path; escaped ids sort as the ids themselves.

    A path is cut at slashes, and `.`, `..` and `__any__` are not allowed.
    """
    escaped = id.replace(".", ".1").replace("/", ".2")
    return f"{escaped}.0" if _RESERVED.fullmatch(escaped) else escaped


@cache
def _columns(collection: Collection[R]) -> tuple[tuple[str, ...], Any]:
    names = tuple(name for name in collection.all_columns if name not in ("id", collection.expires))
    if len(names) > 1:
        return names, attrgetter(*names)
    return names, lambda record: tuple(getattr(record, name) for name in names)
