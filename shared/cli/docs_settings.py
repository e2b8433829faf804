"""Describes settings as tables: one for each group, with names, types, limits and defaults."""

from collections.abc import Iterable, Iterator
from typing import Literal, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from shared.config import PREFIX, Settings
from shared.messages.access import ChangeSettings

Names = tuple[str, ...]
"""The way to a setting: the names of its groups, and its own."""

_LIMITS: tuple[tuple[type, str, str], ...] = (
    (annotated_types.Ge, "ge", "≥"),
    (annotated_types.Gt, "gt", ">"),
    (annotated_types.Le, "le", "≤"),
    (annotated_types.Lt, "lt", "<"),
)
_WORDS = {
    "str": "text",
    "int": "whole number",
    "float": "number",
    "bool": "true or false",
    "SecretStr": "secret text",
    "ModelId": "provider and model",
    "ProviderSettings": "provider",
    "ModelSettings": "model",
}


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Returns a Markdown table."""
    names = list(head)
    lines = [names, ["---"] * len(names), *(list(row) for row in rows)]
    cells = [" | ".join(cell.replace("|", "\\|") for cell in line) for line in lines]
    return "\n".join(f"| {line} |" for line in cells)


def settings() -> str:
    """Returns one table for each group of settings, under headings."""
    parts = [f"### General\n\n{_group_table(Settings, ())}"]
    for path, model in _groups(Settings, ()):
        title = first_paragraph(model)
        parts.append(f"### `{'.'.join(path)}`\n\n{title}\n\n{_group_table(model, path)}")
    return "\n\n".join(parts)


def workspace_settings() -> str:
    """Returns the table of what PUT /v1/settings changes."""
    rows = [
        [f"`{name}`", _kind(field), _shown(_default(field)), field.description or ""]
        for name, field in ChangeSettings.model_fields.items()
    ]
    return table(["name", "type", "default", "meaning"], rows)


def leaves(model: type[BaseModel] = Settings, path: Names = ()) -> Iterator[tuple[Names, object]]:
    """Yields every setting that holds a value, with its default, in the order of the code."""
    group = _group_default(path)
    for name, field in model.model_fields.items():
        inner = _inner(field)
        if inner is None:
            yield (*path, name), getattr(group, name, _default(field))
        else:
            yield from leaves(inner, (*path, name))


def variable(path: Names) -> str:
    """Returns the environment variable of a setting."""
    return PREFIX + "__".join(path).upper()


def first_paragraph(kind: type) -> str:
    """Returns the first paragraph of a class's documentation as one line."""
    return " ".join((kind.__doc__ or "").split("\n\n")[0].split())


def _groups(model: type[BaseModel], path: Names) -> Iterator[tuple[Names, type[BaseModel]]]:
    for name, field in model.model_fields.items():
        inner, item = _inner(field), _item(field)
        if inner is not None:
            yield (*path, name), inner
            yield from _groups(inner, (*path, name))
        elif item is not None:
            yield (*path, f"{name}[]"), item
            yield from _groups(item, (*path, f"{name}[]"))


def _group_table(model: type[BaseModel], path: Names) -> str:
    listed = any(part.endswith("[]") for part in path)
    group = _group_default(path)
    rows = []
    for name, field in model.model_fields.items():
        if _inner(field) is None:
            names = [f"`{name}`"] if listed else [f"`{name}`", f"`{variable((*path, name))}`"]
            default = _shown(getattr(group, name, _default(field)))
            rows.append([*names, _kind(field), default, field.description or ""])
    names = ["name"] if listed else ["name", "environment variable"]
    return table([*names, "type", "default", "meaning"], rows)


def _group_default(path: Names) -> object:
    """Returns the default of a whole group, where one is given (as the tiers have); else None."""
    value: object = None
    model: type[BaseModel] = Settings
    for name in path:
        field = model.model_fields.get(name)
        if field is None:
            return None
        value = _default(field)
        model = _inner(field) or model
    return value if isinstance(value, BaseModel) else None


def _default(field: FieldInfo) -> object:
    default: object = field.get_default(call_default_factory=True, validated_data={})
    return default


def _inner(field: FieldInfo) -> type[BaseModel] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _item(field: FieldInfo) -> type[BaseModel] | None:
    kinds = get_args(field.annotation) if get_origin(field.annotation) is list else ()
    models = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
    return models[0] if models else None


def _kind(field: FieldInfo) -> str:
    limits = [
        f"{symbol} {getattr(one, name):g}"
        for kind, name, symbol in _LIMITS
        for one in _metadata(field)
        if isinstance(one, kind)
    ]
    return ", ".join([_type_name(field.annotation), *limits])


def _metadata(field: FieldInfo) -> Iterator[object]:
    """Yields what restricts the value, also inside `X | None`."""
    yield from field.metadata
    for choice in get_args(field.annotation):
        for one in getattr(choice, "__metadata__", ()):
            yield from getattr(one, "metadata", [one])


def _type_name(kind: object) -> str:
    if hasattr(kind, "__metadata__"):
        return _type_name(get_args(kind)[0])
    if kind is type(None):
        return "null"
    if get_origin(kind) is Literal:
        return ", ".join(f"`{one}`" for one in get_args(kind))
    if get_origin(kind) in {list, dict}:
        *key, value = (_type_name(one) for one in get_args(kind))
        return f"by {key[0]}: {value}" if key else f"list of {value}"
    choices = [one for one in get_args(kind) if one is not type(None)]
    if choices:
        return " or ".join(_type_name(one) for one in choices)
    name = str(getattr(kind, "__name__", kind))
    return _WORDS.get(name, name.lower())


def _shown(value: object) -> str:
    if value is PydanticUndefined:
        return "required"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(f"`{one}`" for one in value) or "empty"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"
