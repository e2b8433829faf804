"""Zip archives whose bytes follow from their contents alone, and compiled modules likewise.

Nothing of the machine goes in: names are sorted, times and modes are fixed, and nothing is
compressed, since two versions of a compressor may differ. Compiled modules are unchecked-hash
(they carry the hash of their source instead of its time, and Python trusts them), written in the
second version of the marshal format, which alone does not depend on what else the compiling process
holds in memory.
"""

import importlib.util
import io
import marshal
import sys
import zipfile
from collections.abc import Mapping
from pathlib import PurePosixPath

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
"""The Python that compiles here; its bytecode is of use to the same minor version only."""

_TIME = (1980, 1, 1, 0, 0, 0)
_MODE = 0o100644
_UNIX = 3
_UNCHECKED_HASH = (1).to_bytes(4, "little")
_MARSHAL_VERSION = 2


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Returns an archive of these files, equal for equal files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.create_system = _UNIX
            entry.external_attr = _MODE << 16
            archive.writestr(entry, files[name])
    return buffer.getvalue()


def compiled(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Returns the compiled form of each module among these files, under the name Python looks for.

    Raises:
        SyntaxError: a module is not Python.
    """
    return {
        _cached_name(name): _bytecode(name, source)
        for name, source in files.items()
        if name.endswith(".py")
    }


def _cached_name(name: str) -> str:
    path = PurePosixPath(name)
    tag = sys.implementation.cache_tag
    return str(path.parent / "__pycache__" / f"{path.stem}.{tag}.pyc")


def _bytecode(name: str, source: bytes) -> bytes:
    code = compile(source, name, "exec", dont_inherit=True, optimize=0)
    return b"".join(
        (
            importlib.util.MAGIC_NUMBER,
            _UNCHECKED_HASH,
            importlib.util.source_hash(source),
            marshal.dumps(code, _MARSHAL_VERSION),
        )
    )
