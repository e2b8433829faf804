"""What a function needs of the project, and which other packages it imports.

Whole modules count, with every import in them, lazy ones included. Only in the composition root
it is single functions and methods that count, once reached code names them, and a port's builder
(a `cached_property` of the lazily built dependencies) once reached code says `deps.<port>`. See
docs/decisions/0020.
"""

import ast
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

from bundling.conditions import Choices, alive
from bundling.sources import Definition, Module, Sources

ROOT_PACKAGE = "shared.bootstrap"
"""The composition root."""

DEPS = frozenset({"deps", "_deps"})
"""What the ports of the running system are called wherever they are used; a test holds it."""


_FILE_NAME = re.compile(r"\w[\w.-]{0,99}")


@dataclass
class Reached:
    """What is needed: the project's modules, data files, other packages' modules, and ports."""

    modules: dict[str, Module] = field(default_factory=dict)
    data: set[Path] = field(default_factory=set)
    external: set[str] = field(default_factory=set)
    ports: set[str] = field(default_factory=set)


def reach(sources: Sources, entry: str, choices: Choices) -> Reached:
    """Returns what the module `entry` needs under these choices.

    Raises:
        ImportError: code imports a module of the project that does not exist.
    """
    walk = _Walk(sources, choices)
    walk.module(entry)
    return walk.reached


class _Walk:
    def __init__(self, sources: Sources, choices: Choices) -> None:
        self.reached = Reached()
        self._sources = sources
        self._choices = choices
        self._seen: set[tuple[str, str]] = set()
        self._builders: dict[str, list[tuple[Module, Definition]]] = {}

    def module(self, name: str) -> None:
        """Takes a module in, with the packages around it."""
        parts = name.split(".")
        for end in range(1, len(parts) + 1):
            self._take(".".join(parts[:end]))

    def _take(self, name: str) -> None:
        module = self._sources.find(name)
        if name in self.reached.modules:
            return
        if module is None:
            if (self._sources.root / Path(*name.split("."))).is_dir():
                return
            raise ImportError(f"there is no module {name}")
        self.reached.modules[name] = module
        for node in module.tree.body:
            if not (_is_root(name) and isinstance(node, Definition)):
                self._region(module, node)

    def _region(self, module: Module, region: ast.AST) -> None:
        for node in alive(region, self._choices):
            match node:
                case ast.Import(names=names):
                    for one in names:
                        self._import(one.name)
                case ast.ImportFrom(module=str(base), names=names):
                    for one in names:
                        self._import(base, one.name)
                        if not _is_root(module.name):
                            self._mention(f"{base}.{one.name}")
                case ast.Attribute(value=value, attr=attr) if _is_deps(module, value):
                    self._port(attr)
                case ast.Name() | ast.Attribute():
                    self._mention(module.named(node))
                case ast.Constant(value=str(text)):
                    self._data(module, text)
                case _:
                    pass

    def _import(self, base: str, member: str | None = None) -> None:
        full = f"{base}.{member}" if member else base
        if not self._sources.owns(base):
            if base.split(".", maxsplit=1)[0] not in sys.stdlib_module_names:
                self.reached.external.add(full)
            return
        self.module(base)
        if member and self._sources.find(full):
            self.module(full)

    def _mention(self, dotted: str | None) -> None:
        """Takes in a function or class of the composition root."""
        if dotted is None or not _is_root(dotted):
            return
        base, _, name = dotted.rpartition(".")
        module = self._sources.find(base)
        if module is None or (base, name) in self._seen:
            return
        self._seen.add((base, name))
        definition = module.definitions.get(name)
        if isinstance(definition, ast.ClassDef):
            self._class(module, definition)
        elif definition is not None:
            self._region(module, definition)
        else:
            self._mention(module.aliases.get(name))

    def _class(self, module: Module, definition: ast.ClassDef) -> None:
        for node in (*definition.bases, *definition.decorator_list, *definition.body):
            if isinstance(node, Definition) and _is_builder(node):
                self._builders.setdefault(node.name, []).append((module, node))
                if node.name in self.reached.ports:
                    self._region(module, node)
            else:
                self._region(module, node)

    def _port(self, name: str) -> None:
        if name not in self.reached.ports:
            self.reached.ports.add(name)
            for module, builder in self._builders.get(name, []):
                self._region(module, builder)

    def _data(self, module: Module, text: str) -> None:
        """Takes in the file or folder beside a module that the module names."""
        if not _FILE_NAME.fullmatch(text):
            return
        beside = (self._sources.root / module.path).parent / text
        if beside.is_dir() and not (beside / "__init__.py").exists():
            self.reached.data |= {
                path.relative_to(self._sources.root)
                for path in beside.rglob("*")
                if path.is_file() and "__pycache__" not in path.parts
            }
        elif beside.is_file() and beside.suffix != ".py":
            self.reached.data.add(beside.relative_to(self._sources.root))


def _is_root(name: str) -> bool:
    return name == ROOT_PACKAGE or name.startswith(f"{ROOT_PACKAGE}.")


def _is_deps(module: Module, value: ast.AST) -> bool:
    """Tells whether an expression is the ports of the running system, judged by its name."""
    match value:
        case ast.Call(func=func):
            return _is_deps(module, func)
        case ast.Name(id=name):
            return name in DEPS or (name == "self" and _is_root(module.name))
        case ast.Attribute(attr=name):
            return name in DEPS
        case _:
            return False


def _is_builder(node: Definition) -> bool:
    names = [
        getattr(one, "id", getattr(one, "attr", ""))
        for one in getattr(node, "decorator_list", [])
        if isinstance(one, ast.Name | ast.Attribute)
    ]
    return "cached_property" in names
