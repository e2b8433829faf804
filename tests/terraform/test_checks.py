"""Terraform's own checks: form, validity, and the assertions in terraform/tests."""

import json
import re

import pytest

from tests.support.terraform import CONFIGURATION, State, Terraform
from tests.terraform.conftest import PLANNED

pytestmark = pytest.mark.slow

FILES = sorted(f"tests/{path.name}" for path in CONFIGURATION.glob("tests/*.tftest.hcl"))
MOCKED = re.compile(r'^mock_resource "(\w+)"', re.MULTILINE)
RESOURCE = re.compile(r'^resource "(google_\w+)"', re.MULTILINE)
VARIABLE = re.compile(r'^variable "(\w+)" \{\n(.*?)^\}', re.DOTALL | re.MULTILINE)
OUTPUT = re.compile(r'^output "(\w+)" \{\n(.*?)^\}', re.DOTALL | re.MULTILINE)


def blocks(pattern: re.Pattern[str]) -> list[tuple[str, str]]:
    sources = sorted(CONFIGURATION.rglob("*.tf"))
    found = [
        (f"{path.relative_to(CONFIGURATION)}:{name}", body)
        for path in sources
        if ".terraform" not in path.parts
        for name, body in pattern.findall(path.read_text("utf-8"))
    ]
    assert found
    return found


def test_every_file_is_formatted(terraform: Terraform) -> None:
    done = terraform.run("fmt", "-check", "-recursive")
    assert (done.returncode, done.stdout) == (0, "")


def test_the_configuration_is_valid(terraform: Terraform) -> None:
    done = terraform.run("validate", "-json")
    answer = json.loads(done.stdout)
    assert answer["valid"], answer["diagnostics"]
    assert answer["diagnostics"] == []


def test_the_assertions_hold(terraform: Terraform, states: dict[str, State]) -> None:
    assert states  # made by the runs of PLANNED, which have passed
    others = [f"-filter={file}" for file in FILES if file not in PLANNED]
    assert len(others) == len(FILES) - len(PLANNED) > 0
    done = terraform.run("test", *others)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Success! [1-9]\d* passed, 0 failed\.", done.stdout)


def test_every_type_of_resource_is_mocked_so_that_plans_have_all_values() -> None:
    used = {
        type
        for path in CONFIGURATION.rglob("*.tf")
        if not {"bootstrap", ".terraform"} & {*path.relative_to(CONFIGURATION).parts}
        for type in RESOURCE.findall(path.read_text("utf-8"))
    }
    mocks = (CONFIGURATION / "tests/mocks/google.tfmock.hcl").read_text("utf-8")
    assert sorted(MOCKED.findall(mocks)) == sorted(used)


def test_the_assertions_about_the_bootstrap_hold(tmp_path) -> None:
    done = Terraform(tmp_path, "bootstrap").run("test")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Success! [1-9]\d* passed, 0 failed\.", done.stdout)


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_an_environment_can_be_planned_as_its_file_says(terraform: Terraform, name: str) -> None:
    done = terraform.run(
        "test", "-test-directory=tests/environments", f"-var-file=environments/{name}.tfvars"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed, 0 failed." in done.stdout


def test_an_assertion_that_does_not_hold_fails(tmp_path) -> None:
    bootstrap = Terraform(tmp_path, "bootstrap")
    test = bootstrap.folder / "tests/bootstrap.tftest.hcl"
    text = test.read_text("utf-8")
    assert "versioning[0].enabled" in text
    test.write_text(text.replace("versioning[0].enabled", "force_destroy"), "utf-8")
    done = bootstrap.run("test")
    assert done.returncode == 1
    assert "A state that was overwritten could not be brought back" in done.stdout + done.stderr


@pytest.mark.parametrize(("name", "body"), blocks(VARIABLE))
def test_every_variable_is_described_typed_and_never_null(name: str, body: str) -> None:
    assert re.search(r'^  description = ".{10,}"$', body, re.MULTILINE), name
    assert re.search(r"^  type +=", body, re.MULTILINE), name
    assert re.search(r"^  nullable += false$", body, re.MULTILINE), name


@pytest.mark.parametrize(
    ("name", "body"),
    [one for one in blocks(VARIABLE) if one[0].startswith(("variables", "bootstrap/"))],
)
def test_every_variable_that_can_be_wrong_is_validated(name: str, body: str) -> None:
    assert "type        = bool" in body or "validation {" in body, name


@pytest.mark.parametrize(("name", "body"), blocks(OUTPUT))
def test_every_output_is_described(name: str, body: str) -> None:
    assert re.search(r'^  description = ".{10,}"$', body, re.MULTILINE), name


def test_every_variable_has_a_test_of_its_wrong_values() -> None:
    refused = set(
        re.findall(
            r"var\.(\w+)",
            (CONFIGURATION / "tests/wrong_values.tftest.hcl").read_text("utf-8"),
        )
    )
    validated = {
        name.partition(":")[2]
        for name, body in blocks(VARIABLE)
        if name.startswith("variables") and "validation {" in body
    }
    assert refused == validated
