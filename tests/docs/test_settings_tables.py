"""The tables of settings name what the settings really take."""

import os
from unittest.mock import patch

import pytest
import yaml
from pydantic import BaseModel

from shared import config
from shared.cli.docs_settings import leaves, settings, table, variable, workspace_settings
from shared.errors import InvalidInput
from shared.messages.access import ChangeSettings
from tests.docs import pages

LEAVES = dict(leaves())
SCALARS = {path: one for path, one in LEAVES.items() if isinstance(one, bool | int | float | str)}


@pytest.mark.parametrize("path", SCALARS, ids=".".join)
def test_the_variable_of_every_setting_sets_it(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    default = SCALARS[path]
    with patch.dict(os.environ, {variable(path): str(default)}):
        found = config.load()
    for name in path:
        found = getattr(found, name)
    assert found == default


def test_every_setting_is_in_the_table_with_its_variable_once():
    text = settings()
    rows = [line.split(" | ")[1] for line in text.splitlines() if line.startswith("| `")]
    named = [one.strip("`") for one in rows if one.startswith("`WHETSTONE_")]
    assert named == [variable(path) for path in _in_order_of_tables(config.Settings, ())]
    assert set(named) == {variable(path) for path in LEAVES}


def _in_order_of_tables(model: type[BaseModel], path: tuple[str, ...]) -> list[tuple[str, ...]]:
    own, groups = [], []
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            groups += _in_order_of_tables(kind, (*path, name))
        else:
            own.append((*path, name))
    return own + groups


def test_defaults_types_and_limits_are_those_of_the_code():
    text = settings()
    high = "| `n` | `WHETSTONE_LEARNING__HIGH__N` | number, ≥ 1 | `10` |"
    medium = "| `n` | `WHETSTONE_LEARNING__MEDIUM__N` | number, ≥ 1 | `5` |"
    assert high in text
    assert medium in text
    assert "`debug`, `info`, `warning`, `error` | `info` |" in text
    assert "| `smtp_password` | `WHETSTONE_NOTIFY__SMTP_PASSWORD` | secret text | none |" in text
    assert "| `usd_per_m_input` | number, ≥ 0, ≤ 10000 | required |" in text


def test_no_table_shows_the_inside_of_python():
    inside = ("Undefined", "typing", "NoneType", "object at", "annotation")
    for text in (settings(), workspace_settings()):
        assert [word for word in inside if word in text] == []


def test_one_bar_of_a_tier_is_set_by_itself(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "whetstone.yaml").write_text("learning: {high: {n: 20}}")
    high = config.load().learning.high
    assert (high.n, high.quality, high.correctness) == (20, 4.0, 0.8)


def test_a_misspelt_bar_of_a_tier_stops_the_start_and_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "whetstone.yaml").write_text("learning: {high: {N: 20}}")
    with pytest.raises(InvalidInput, match=r"learning\.high\.N"):
        config.load()


def test_the_settings_of_a_workspace_are_all_there():
    rows = [line.split("`")[1] for line in workspace_settings().splitlines()[2:]]
    assert rows == list(ChangeSettings.model_fields)
    assert "number, ≥ 0, ≤ 1 | none | Above this risk" in workspace_settings()


def test_a_bar_in_a_cell_does_not_end_it():
    assert table(["a"], [["x | y"]]).splitlines()[2] == "| x \\| y |"


@pytest.mark.parametrize("page", ["configuration.md"])
def test_the_settings_file_of_the_guide_is_accepted(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (block,) = [one for one in pages.blocks(pages.ROOT / "docs" / page) if one.info == "yaml"]
    (tmp_path / "whetstone.yaml").write_text(block.text)
    found = config.load()
    named = yaml.safe_load(block.text)["providers"][0]["models"]
    assert [one.model for one in found.providers[0].models] == [one["model"] for one in named]
    assert found.learning.default_model.model == "large"
