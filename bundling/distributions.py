"""From imported modules to the distributions that carry them, and to what those need in turn."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path, PurePath

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_MODULE_ENDINGS = (".py", ".so", ".pyd")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a function runs: CPython of this version on 64-bit Linux."""

    python: str = "3.11"

    def environment(self) -> dict[str, str]:
        """Returns what environment markers see there."""
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "os_name": "posix",
            "platform_machine": "x86_64",
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
        }


class Installed:
    """The distributions of the running environment, by canonical name.

    Args:
        found: them all; those of the environment where left out.
        extras: which extras of a distribution are wanted wherever it is needed.
    """

    def __init__(
        self,
        found: Iterable[Distribution] | None = None,
        extras: Mapping[str, frozenset[str]] | None = None,
    ) -> None:
        everything = distributions() if found is None else found
        self.by_name: dict[str, Distribution] = {
            str(canonicalize_name(one.metadata["Name"])): one for one in everything
        }
        self._extras = extras or {}
        self._owners = dict(_modules(self.by_name))

    def owner(self, module: str) -> str:
        """Returns the distribution that a module, or a name in it, comes from.

        Raises:
            LookupError: none of them carries it.
        """
        name = module
        while name:
            if name in self._owners:
                return self._owners[name]
            name = name.rpartition(".")[0]
        raise LookupError(f"{module} is imported, and no installed package carries it")

    def closure(self, names: Iterable[str], target: Target) -> set[str]:
        """Returns these distributions and all that they require on the target.

        Raises:
            LookupError: a requirement is not installed.
        """
        found: set[str] = set()
        wanted = [(name, extra) for name in names for extra in ("", *self._wanted(name))]
        seen = set(wanted)
        while wanted:
            name, extra = wanted.pop()
            if name not in self.by_name:
                raise LookupError(f"{name} is required, and not installed")
            found.add(name)
            needed = set(self._requires(name, extra, target)) - seen
            seen |= needed
            wanted += needed
        return found

    def _wanted(self, name: str) -> frozenset[str]:
        return self._extras.get(name, frozenset())

    def _requires(self, name: str, extra: str, target: Target) -> Iterator[tuple[str, str]]:
        environment = {**target.environment(), "extra": extra}
        for text in self.by_name[name].requires or []:
            one = Requirement(text)
            if one.marker is None or one.marker.evaluate(environment):
                needed = canonicalize_name(one.name)
                for further in ("", *one.extras, *self._wanted(needed)):
                    yield needed, further


def extras_of(requirements: Iterable[str]) -> dict[str, frozenset[str]]:
    """Returns the extras that direct requirements name, by canonical name."""
    parsed = (Requirement(text) for text in requirements)
    return {str(canonicalize_name(one.name)): frozenset(one.extras) for one in parsed if one.extras}


def linked(installed: Installed, names: Iterable[str], folder: Path) -> None:
    """Makes a site folder that holds these distributions and nothing else, by links.

    Args:
        installed: where they are.
        names: which ones.
        folder: is made.
    """
    shared = _shared_folders(installed)
    for name in names:
        distribution = installed.by_name[name]
        for part in {_own_part(file, shared) for file in _inside(distribution)}:
            link = folder / part
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.is_symlink():
                link.symlink_to(Path(str(distribution.locate_file(part))))


def _inside(distribution: Distribution) -> list[PurePath]:
    """Returns the files of a distribution, without commands beside the environment's Python."""
    return [PurePath(file) for file in distribution.files or [] if ".." not in file.parts]


def _shared_folders(installed: Installed) -> set[PurePath]:
    """Returns the folders in which several distributions have files, as namespaces are."""
    owners: dict[PurePath, str] = {}
    shared = {PurePath()}
    for name, distribution in installed.by_name.items():
        for folder in {parent for file in _inside(distribution) for parent in file.parents}:
            if owners.setdefault(folder, name) != name:
                shared.add(folder)
    return shared


def _own_part(file: PurePath, shared: set[PurePath]) -> PurePath:
    """Returns the outermost folder around a file that no other distribution shares, or the file."""
    own = [folder for folder in file.parents if folder not in shared]
    return own[-1] if own else file


def _modules(found: Mapping[str, Distribution]) -> Iterator[tuple[str, str]]:
    """Yields every module with the distribution that carries it."""
    for name, distribution in sorted(found.items()):
        for file in _inside(distribution):
            if file.suffix in _MODULE_ENDINGS:
                yield _dotted(file), name


def _dotted(file: PurePath) -> str:
    *folders, last = file.parts
    stem = last.split(".", maxsplit=1)[0]
    return ".".join(folders if stem == "__init__" else [*folders, stem])
