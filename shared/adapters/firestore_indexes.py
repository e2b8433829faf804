"""The indexes of the Firestore store, as `firestore.indexes.json` has them.

Firestore indexes each field by itself, both ways, unless told otherwise, and answers conditions of
equality on several such fields by merging their indexes. What it needs besides is one index for
each pair of (equal fields, order), in each direction that may be walked; it merges those as well,
where their last fields agree, so that a listing that is narrowed by topic and submitter needs one
index for each of the two, not one for both. It does not merge over lists (`contains`): those
indexes have the equal fields in them.

The emulator never asks for an index, so a test holds every query that is sent against this list.
Fields that no query names are taken out of the automatic indexes: each would cost at every write.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_origin

from shared.domain import collections
from shared.domain.records import Collection, Query, R

Mode = Literal["ASCENDING", "DESCENDING", "CONTAINS"]

_WAYS: tuple[Mode, ...] = ("ASCENDING", "DESCENDING")


@dataclass(frozen=True, slots=True)
class Index:
    """A composite index of a collection: fields with how each is kept, in order."""

    collection: str
    fields: tuple[tuple[str, Mode], ...]


@dataclass(frozen=True, slots=True)
class FieldRule:
    """What is kept of one field instead of the automatic indexes.

    `own` are the ways it is indexed in each collection by itself, `together` in all collections of
    the name at once; `expires` says that a document ends at the time in this field.
    """

    collection: str
    field: str
    own: tuple[Mode, ...] = ()
    together: tuple[Mode, ...] = ()
    expires: bool = False


def indexed_columns(collection: Collection[R]) -> frozenset[str]:
    """Returns the fields that a query may name: those of the declared ones, and the id."""
    asked = {
        name
        for query in collection.queries
        for name in (*query.equal, query.order, *query.narrow)
        if name
    }
    return frozenset({*asked, "id"} - {collection.expires or ""})


def composite_indexes() -> list[Index]:
    """Returns every composite index, each once, in a stable order."""
    made = [one for collection in collections.ALL for one in _of_collection(collection)]
    made += [
        Index("audit_log", ((name, "ASCENDING"), ("seq", "DESCENDING")))
        for name in ("action", "actor", "subject")
    ]
    made.append(Index("outbox", (("lane", "ASCENDING"), ("at", "ASCENDING"))))
    return sorted(dict.fromkeys(made), key=lambda one: (one.collection, one.fields))


_EVIDENCE = ("evidence_outcomes", "evidence_prompts", "evidence_ratings")


def field_rules() -> list[FieldRule]:
    """Returns every field that is not indexed automatically, in a stable order."""
    rules = [
        FieldRule(collection.name, name, expires=name == collection.expires)
        for collection in collections.ALL
        for name in ("doc", *collection.all_columns)
        if name not in indexed_columns(collection)
    ]
    for log in ("audit_log", *_EVIDENCE):
        rules.append(FieldRule(log, "pending", together=("ASCENDING",)))
        rules.append(FieldRule(log, "pending_at", own=("ASCENDING",)))
    audit = "action", "actor", "at", "data", "hash", "previous_hash", "subject"
    rules += [FieldRule("audit_log", name) for name in audit]
    rules += [FieldRule(log, "row") for log in _EVIDENCE]
    rules += [FieldRule("outbox", name) for name in ("at", "doc", "lane", "workspace")]
    rules.append(FieldRule("counters", "sums"))
    rules += [FieldRule("log_heads", name) for name in ("hash", "seq")]
    return sorted(rules, key=lambda one: (one.collection, one.field))


def index_file() -> dict[str, Any]:
    """Returns the content of `firestore.indexes.json`, in the form of the Firebase tools."""
    return {
        "indexes": [
            {
                "collectionGroup": one.collection,
                "queryScope": "COLLECTION",
                "fields": [_field(name, mode) for name, mode in one.fields],
            }
            for one in composite_indexes()
        ],
        "fieldOverrides": [_override(one) for one in field_rules()],
    }


def _of_collection(collection: Collection[R]) -> Iterator[Index]:
    for query in collection.queries:
        if query.order is None:
            continue
        for way in _WAYS:
            order = (query.order, way)
            if query.equal:
                yield Index(collection.name, (*_equal(query), order))
            for name in query.narrow:
                if _is_list(collection, name):
                    yield Index(collection.name, (*_equal(query), (name, "CONTAINS"), order))
                else:
                    yield Index(collection.name, ((name, "ASCENDING"), order))


def _equal(query: Query) -> tuple[tuple[str, Mode], ...]:
    return tuple((name, "ASCENDING") for name in query.equal)


def _is_list(collection: Collection[R], name: str) -> bool:
    return get_origin(collection.record.model_fields[name].annotation) is list


def _field(name: str, mode: Mode) -> dict[str, str]:
    if mode == "CONTAINS":
        return {"fieldPath": name, "arrayConfig": mode}
    return {"fieldPath": name, "order": mode}


def _override(rule: FieldRule) -> dict[str, Any]:
    kept = [{"queryScope": "COLLECTION", "order": one} for one in rule.own]
    kept += [{"queryScope": "COLLECTION_GROUP", "order": one} for one in rule.together]
    made: dict[str, Any] = {
        "collectionGroup": rule.collection,
        "fieldPath": rule.field,
        "indexes": kept,
    }
    if rule.expires:
        made["ttl"] = True
    return made
