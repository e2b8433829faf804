"""What a function needs is read from its imports, and in the composition root from its words."""

import ast
import textwrap
from dataclasses import MISSING, fields
from functools import cache
from pathlib import Path

import pytest

from bundling.reach import DEPS, ROOT_PACKAGE, reach
from bundling.sources import Sources
from shared.services.deps import Deps
from shared.web.health import NEEDED

ROOT = Path(__file__).resolve().parents[3]
OURS = Sources(ROOT)
FUNCTIONS = sorted(path.parent.name for path in ROOT.glob("functions/*/main.py"))
GCP = {
    "store": "firestore",
    "blobs": "gcs",
    "bus": "pubsub",
    "analytics": "store",
    "embedder": "vertex",
    "secrets": "secret_manager",
    "schedule": "cloud_scheduler",
}

PROJECT = {
    "functions/__init__.py": "",
    "functions/small/main.py": """
        from shared import bootstrap
        from shared.services import keeping

        async def handle():
            await keeping.keep(bootstrap.deps())
    """,
    "functions/large/main.py": """
        import yaml
        from shared import bootstrap
        from shared.services import keeping, showing

        async def handle():
            await keeping.keep(bootstrap.deps())
            await showing.show(bootstrap.deps(), bootstrap.info())
    """,
    "shared/__init__.py": "",
    "shared/services/__init__.py": "",
    "shared/services/keeping.py": """
        async def keep(deps):
            await deps.store.put()
    """,
    "shared/services/showing.py": """
        from pathlib import Path
        from typing import TYPE_CHECKING

        if TYPE_CHECKING:
            import numpy

        PAGES = Path(__file__).parent / "pages"

        async def show(deps, info):
            import jinja2.ext
            await deps.blobs.get()
    """,
    "shared/services/pages/a.html": "a",
    "shared/services/unused.py": "import torch",
    "shared/adapters/__init__.py": "",
    "shared/adapters/store_sqlite.py": "import sqlite3, aiosqlite",
    "shared/adapters/store_firestore.py": "from google.cloud import firestore",
    "shared/adapters/blobs_gcs.py": "from google.cloud import storage",
    "shared/adapters/told.py": "import platformdirs",
    "shared/bootstrap/__init__.py": """
        from shared.bootstrap import places
        from shared.bootstrap.ports import Ports

        def deps():
            return Ports()

        def info():
            return places.told()
    """,
    "shared/bootstrap/ports.py": """
        from functools import cached_property
        from shared.bootstrap import places

        class Ports:
            @cached_property
            def store(self):
                return places.store()

            @cached_property
            def blobs(self):
                return places.blobs()
    """,
    "shared/bootstrap/places.py": """
        def store():
            if chosen.store == "firestore":
                from shared.adapters.store_firestore import Store
                return Store()
            from shared.adapters.store_sqlite import Store
            return Store()

        def blobs():
            from shared.adapters.blobs_gcs import Blobs
            return Blobs()

        def told():
            import shared.adapters.told
            return shared.adapters.told
    """,
}


def written(root: Path, files: dict[str, str]) -> Sources:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), "utf-8")
    return Sources(root)


@pytest.fixture
def sources(tmp_path):
    return written(tmp_path, PROJECT)


@cache
def ours(function: str, store: str):
    """Returns what one of this project's functions needs on the cloud with that store."""
    return reach(OURS, f"functions.{function}.main", {**GCP, "store": store})


def adapters(reached) -> set[str]:
    return {name.rpartition(".")[2] for name in reached.modules if ".adapters." in name}


def test_a_function_gets_the_adapters_of_the_ports_that_it_names(sources):
    small = reach(sources, "functions.small.main", GCP)
    assert small.ports == {"store"}
    assert adapters(small) == {"store_firestore"}
    assert small.external == {"google.cloud.firestore"}


def test_a_function_gets_what_the_root_gives_it_by_name(sources):
    large = reach(sources, "functions.large.main", GCP)
    assert adapters(large) == {"store_firestore", "blobs_gcs", "told"}
    assert large.external >= {"google.cloud.storage", "platformdirs", "yaml"}


def test_the_other_adapter_goes_along_where_it_is_chosen(sources):
    small = reach(sources, "functions.small.main", {**GCP, "store": "sqlite"})
    assert adapters(small) == {"store_sqlite"}
    assert small.external == {"aiosqlite"}, "the standard library is everywhere"


def test_every_adapter_goes_along_where_nothing_is_chosen(sources):
    assert adapters(reach(sources, "functions.small.main", {})) == {
        "store_firestore",
        "store_sqlite",
    }


def test_lazy_imports_count_and_imports_for_types_do_not(sources):
    large = reach(sources, "functions.large.main", GCP)
    assert "jinja2.ext" in large.external
    assert "numpy" not in large.external


def test_modules_that_nothing_imports_stay_out(sources):
    assert "shared.services.unused" not in reach(sources, "functions.large.main", GCP).modules
    assert "shared.services.showing" not in reach(sources, "functions.small.main", GCP).modules


def test_a_data_folder_goes_along_with_the_module_that_names_it(sources):
    page = Path("shared/services/pages/a.html")
    assert reach(sources, "functions.large.main", GCP).data == {page}
    assert reach(sources, "functions.small.main", GCP).data == set()


def test_a_port_named_before_its_class_is_reached_counts_as_well(tmp_path):
    main = "from shared import early\nfrom shared import bootstrap\nbootstrap.deps()"
    early = "def use(deps):\n    deps.blobs.get()"
    files = {**PROJECT, "functions/late/main.py": main, "shared/early.py": early}
    reached = reach(written(tmp_path, files), "functions.late.main", GCP)
    assert adapters(reached) == {"blobs_gcs"}


def test_an_import_of_a_module_that_does_not_exist_is_an_error(tmp_path):
    files = {**PROJECT, "functions/wrong/main.py": "import shared.nothing"}
    with pytest.raises(ImportError, match=r"no module shared\.nothing"):
        reach(written(tmp_path, files), "functions.wrong.main", GCP)


# --- the rules that the reading rests on, held against the project itself -------------------------


def parsed(*folders: str) -> list[tuple[Path, ast.Module]]:
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [(path, ast.parse(path.read_bytes())) for path in paths]


def test_the_ports_are_called_deps_wherever_they_are_handed_on():
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.arg}"
        for path, tree in parsed("shared", "functions")
        for node in ast.walk(tree)
        if isinstance(node, ast.arg)
        and isinstance(node.annotation, ast.Name)
        and node.annotation.id == "Deps"
        and node.arg not in {*DEPS, "_"}
    ]
    assert wrong == []


def test_the_ports_get_no_other_name():
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, tree in parsed("shared", "functions")
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Name)
        and node.value.id in DEPS
        and any(getattr(one, "id", getattr(one, "attr", "")) not in DEPS for one in node.targets)
    ]
    assert wrong == []


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_is_asked_about_the_health_of_its_own_ports_only(function):
    reached = ours(function, GCP["store"])
    assert reached.ports >= NEEDED[function]


@pytest.mark.parametrize("store", ["firestore", "postgres"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_gets_no_adapter_of_what_is_not_chosen(function, store):
    found = adapters(ours(function, store))
    others = {"store_sqlite", "blobs_folder", "bus_inprocess", "schedule_inprocess", "ids_sortable"}
    others |= {"store_firestore", "store_postgres"} - {f"store_{store}"}
    if function == "monitor":  # its backups may go to a folder that is mounted
        others.remove("blobs_folder")
    assert found & others == set()
    assert f"store_{store}" in found


def test_a_function_without_objects_has_no_adapter_for_them():
    reached = ours("notify", GCP["store"])
    assert "blobs" not in reached.ports
    assert "blobs_gcs" not in adapters(reached)
    assert not any(name.startswith("google.cloud.storage") for name in reached.external)


def test_every_port_is_built_by_itself_at_its_first_use():
    tree = ast.parse((ROOT / "shared/bootstrap/ports.py").read_bytes())
    lazily = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and any(getattr(one, "id", "") == "cached_property" for one in node.decorator_list)
    }
    needed = {one.name for one in fields(Deps) if one.default_factory is MISSING}
    assert needed <= lazily
    assert ROOT_PACKAGE == "shared.bootstrap"
