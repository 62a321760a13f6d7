"""What the page of the methods says of options is what their classes and the presets have."""

import pytest
import yaml

from bench.config.folders import preset_names, presets_folder
from bench.config.presets import load_preset
from bench.config.values import field_defaults
from bench.datasets import DATASETS
from methods import METHODS, method_class
from tests.docs.blocks import ROOT

SAID = {("cub", "paper", "objective")}  # the page says which presets have another value


def rows():
    text = (
        (ROOT / "docs/methods.md").read_text().partition("## Options that presets leave alone")[2].partition("\n##")[0]
    )
    for line in text.splitlines():
        if line.startswith("| `"):
            option, of, default, _ = (cell.strip() for cell in line.strip("|").split(" | "))
            patterns = [name.strip("` ").removesuffix("*") for name in of.split(",")]
            yield option.strip("`"), patterns, yaml.safe_load(default.strip("`"))


@pytest.mark.parametrize(("option", "patterns", "default"), list(rows()), ids=str)
def test_presets_leave_the_options_alone(option, patterns, default):
    having = [name for name in METHODS.own if option in field_defaults(method_class(name).Config)]
    assert all(any(name.startswith(pattern) for pattern in patterns) for name in having)
    assert {field_defaults(method_class(name).Config)[option] for name in having} == {default}
    for dataset in DATASETS.own:
        for preset in preset_names(presets_folder(dataset)):
            entries = load_preset(dataset, preset).methods
            if (dataset, preset, option) not in SAID:
                assert [name for name in having if option in entries.get(name, {})] == []
