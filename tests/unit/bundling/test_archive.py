"""An archive's bytes follow from its contents alone, and so do compiled modules."""

import io
import json
import subprocess
import sys
import zipfile
from importlib.util import MAGIC_NUMBER, source_hash
from pathlib import Path

import pytest

from bundling.archive import compiled, zipped

ROOT = Path(__file__).resolve().parents[3]

SOURCE = (
    b'NAMES = {"one", "two", "three"}\n\ndef test(name): return name in {"a", "b", "c", "one"}\n'
)
FILES = {"b/two.py": SOURCE, "a.txt": b"text", "b/__init__.py": b""}

PROGRAM = """
import sys, json
if len(sys.argv) > 1:
    import click, httpx, email  # holds other words in memory
sys.path.insert(0, ".")
from bundling.archive import compiled
files = {"x/names.py": open(sys.stdin.fileno(), "rb").read()}
print(json.dumps([content.hex() for content in compiled(files).values()]))
"""


def test_files_are_sorted_and_carry_no_time_and_no_mode_of_this_machine():
    archive = zipfile.ZipFile(io.BytesIO(zipped(FILES)))
    assert archive.namelist() == ["a.txt", "b/__init__.py", "b/two.py"]
    for entry in archive.infolist():
        assert entry.date_time == (1980, 1, 1, 0, 0, 0)
        assert entry.external_attr >> 16 == 0o100644
        assert entry.compress_type == zipfile.ZIP_STORED
        assert archive.read(entry) == FILES[entry.filename]


def test_the_order_in_which_files_come_does_not_matter():
    assert zipped(dict(reversed(FILES.items()))) == zipped(FILES)


def test_each_module_is_compiled_under_the_name_that_python_looks_for():
    tag = sys.implementation.cache_tag
    made = compiled(FILES)
    assert made.keys() == {f"b/__pycache__/two.{tag}.pyc", f"b/__pycache__/__init__.{tag}.pyc"}
    header = made[f"b/__pycache__/two.{tag}.pyc"][:16]
    assert header == MAGIC_NUMBER + b"\x01\0\0\0" + source_hash(SOURCE)


def test_python_runs_the_compiled_module_and_does_not_look_at_its_source(tmp_path):
    for name, content in {**FILES, **compiled(FILES)}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "b/two.py").write_bytes(b"raise SystemExit('read the source')")
    program = "import sys; sys.path.insert(0, '.'); from b.two import NAMES, test; print(NAMES)"
    command = [sys.executable, "-I", "-B", "-c", program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "three" in done.stdout


@pytest.mark.parametrize("module", ["shared/domain/entries.py", "shared/web/guard.py"])
def test_compiling_does_not_depend_on_the_process(module):
    seen = set()
    for seed, further in (("1", []), ("2", []), ("3", ["more"])):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, *further],
            input=(ROOT / module).read_bytes(),
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        )
        seen.add(done.stdout)
    assert len(seen) == 1
    assert len(json.loads(seen.pop())[0]) > 1000


def test_a_module_that_is_not_python_stops_the_bundle():
    with pytest.raises(SyntaxError):
        compiled({"wrong.py": b"def"})
