"""Distributions follow from imports, and what they require from what they say of themselves."""

from importlib.metadata import distributions

import pytest

from bundling.distributions import Installed, Target, extras_of, linked


def install(site, name, *, requires=(), files=(), version="1.0"):
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    needed = "".join(f"Requires-Dist: {one}\n" for one in requires)
    info.joinpath("METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needed}", "utf-8"
    )
    for file in files:
        path = site / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", "utf-8")
    rows = [*files, f"{info.name}/METADATA", f"{info.name}/RECORD", "../../bin/tool"]
    info.joinpath("RECORD").write_text("".join(f"{row},,\n" for row in rows), "utf-8")


@pytest.fixture
def site(tmp_path):
    site = tmp_path / "site"
    install(site, "Google-Cloud-One", files=["google/cloud/one/__init__.py"], requires=["core"])
    install(
        site,
        "core",
        files=["google/core/__init__.py", "google/core/fast.cpython-311-x86_64-linux-gnu.so"],
        requires=[
            "old; python_version < '3.11'",
            "new; python_version >= '3.12'",
            "windows; sys_platform == 'win32'",
            "speed; extra == 'fast'",
            "more[plus]>=1",
        ],
    )
    install(site, "more", files=["more.py"], requires=["plus; extra == 'plus'", "core"])
    install(site, "plus", files=["_plus.py"])
    install(site, "speed", files=["speed.py"], requires=["nothing"])
    return site


def installed(site, **extras):
    given = {name: frozenset(texts) for name, texts in extras.items()}
    return Installed(distributions(path=[str(site)]), given)


@pytest.mark.parametrize(
    ("module", "owner"),
    [
        ("google.cloud.one", "google-cloud-one"),
        ("google.cloud.one.Client", "google-cloud-one"),
        ("google.core", "core"),
        ("google.core.fast.function", "core"),
        ("more", "more"),
    ],
)
def test_a_module_belongs_to_the_distribution_that_lists_it(site, module, owner):
    assert installed(site).owner(module) == owner


@pytest.mark.parametrize("module", ["google", "google.cloud.two", "absent.part"])
def test_a_module_of_no_distribution_is_named(site, module):
    with pytest.raises(LookupError, match=module):
        installed(site).owner(module)


def test_requirements_follow_markers_and_extras(site):
    found = installed(site).closure(["google-cloud-one"], Target("3.11"))
    assert found == {"google-cloud-one", "core", "more", "plus"}


def test_what_the_target_needs_and_is_not_here_is_named(site):
    with pytest.raises(LookupError, match="new is required"):
        installed(site).closure(["core"], Target("3.12"))


def test_an_extra_that_the_project_asks_for_counts_wherever_its_package_is_needed(site):
    with pytest.raises(LookupError, match="nothing is required"):
        installed(site, core=["fast"]).closure(["google-cloud-one"], Target())


def test_extras_are_read_from_requirements():
    texts = ["psycopg[binary]==3.3", "plain==1", "Some_Name[a,b]==1"]
    assert extras_of(texts) == {"psycopg": {"binary"}, "some-name": {"a", "b"}}


def test_a_linked_site_holds_the_named_distributions_and_no_command(site, tmp_path):
    linked(installed(site), ["core"], tmp_path / "own")
    own = tmp_path / "own"
    assert (own / "google/core/__init__.py").is_file()
    assert not (own / "google/cloud").exists()
    assert not (tmp_path / "bin").exists()
    assert [one.metadata["Name"] for one in distributions(path=[str(own)])] == ["core"]
