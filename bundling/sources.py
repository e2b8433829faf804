"""The project's modules as they are written: nothing is imported, nothing is run."""

import ast
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Module:
    """One module: its dotted name, and its file below the project's root."""

    name: str
    root: Path
    path: Path

    @property
    def is_package(self) -> bool:
        """Tells whether it is the `__init__` of a package."""
        return self.path.name == "__init__.py"

    @cached_property
    def content(self) -> bytes:
        """Its bytes, read once: what goes along is what was looked at."""
        return (self.root / self.path).read_bytes()

    @cached_property
    def tree(self) -> ast.Module:
        """What it says."""
        return ast.parse(self.content, str(self.path))

    @cached_property
    def definitions(self) -> dict[str, Definition]:
        """Its functions and classes by name."""
        return {one.name: one for one in self.tree.body if isinstance(one, Definition)}

    @cached_property
    def aliases(self) -> dict[str, str]:
        """What each imported name stands for, dotted, wherever in the module it is imported."""
        found: dict[str, str] = {}
        for node in ast.walk(self.tree):
            match node:
                case ast.Import(names=names):
                    for one in names:
                        bound = one.asname or one.name.split(".")[0]
                        found[bound] = one.name if one.asname else bound
                case ast.ImportFrom(module=str(module), names=names):
                    found |= {one.asname or one.name: f"{module}.{one.name}" for one in names}
                case _:
                    pass
        return found

    def named(self, expression: ast.AST) -> str | None:
        """Returns the dotted name of what a name or an attribute stands for; None for a value."""
        match expression:
            case ast.Name(id=name) if name in self.aliases:
                return self.aliases[name]
            case ast.Name(id=name) if name in self.definitions:
                return f"{self.name}.{name}"
            case ast.Attribute(value=value, attr=attr):
                base = self.named(value)
                return f"{base}.{attr}" if base else None
            case _:
                return None


class Sources:
    """The modules of some top-level packages, read when they are asked for.

    Args:
        root: the folder that holds the packages.
        packages: their names.
    """

    def __init__(self, root: Path, packages: tuple[str, ...] = ("shared", "functions")) -> None:
        self.root = root
        self.packages = packages
        self._known: dict[str, Module | None] = {}

    def owns(self, name: str) -> bool:
        """Tells whether a dotted name belongs to these packages."""
        return name.split(".", maxsplit=1)[0] in self.packages

    def find(self, name: str) -> Module | None:
        """Returns the module of that dotted name; None where there is none."""
        if name not in self._known:
            base = Path(*name.split("."))
            paths = (base / "__init__.py", base.with_suffix(".py"))
            found = (path for path in paths if (self.root / path).is_file())
            path = next(found, None) if self.owns(name) else None
            self._known[name] = Module(name, self.root, path) if path else None
        return self._known[name]
