"""What is read from the source of settings is what their classes have when they are imported."""

import typing
from dataclasses import fields as fields_of

import pytest

from bench.commands.declared import Field, attribute, constant, fields, find, registered
from bench.config.meanings import meanings
from bench.config.values import field_types
from evaluators import EVALUATORS
from methods import METHODS, PRIORS

CLASSES = [
    (registry, name, of)
    for registry, attributes in ((METHODS, ["Config"]), (PRIORS, ["Config", "FitConfig"]), (EVALUATORS, ["Settings"]))
    for name in registry.own
    for of in attributes
]


def words(hint):
    return ("true", "false") if hint is bool else typing.get_args(hint) if typing.get_origin(hint) else ()


@pytest.mark.parametrize(("registry", "name", "of"), CLASSES, ids=lambda value: getattr(value, "what", value))
def test_settings_are_those_of_the_imported_class(registry, name, of):
    cls, found = getattr(registry.load(name), of), fields(attribute(registered(registry, name), of))
    hints = {} if cls is None else field_types(cls)
    assert list(found) == list(hints)
    for key, field in found.items():
        if typing.get_origin(hints[key]) is not tuple:
            assert field.words == words(hints[key])
        if field.below:
            assert field.below.node.name == hints[key].__name__
            assert list(fields(field.below)) == [inner.name for inner in fields_of(hints[key])]
        if field.meaning:
            assert meanings(cls)[key].startswith(field.meaning)


def test_a_class_is_found_wherever_it_is_imported_from():
    assert find("methods.ebm", "MMVAEConfig") == find("methods.mmvae", "MMVAEConfig")
    assert find("methods.ebm", "Nothing") is None
    assert find("no.such.module", "Nothing") is None
    assert fields(None) == {}


def test_what_a_package_outside_may_write_is_read_or_left_out(tmp_path, monkeypatch):
    (tmp_path / "outside.py").write_text(
        "import x.y\nfrom . import z\nWords = Literal['a', 'b']\n"
        "class Base(x.y.Z):\n    kept: int = 1\n    word: Words = 'a'  # first\n"
        "class Config(Base):\n    kept: ClassVar = 2\n    word: Literal['b'] = 'b'\n    far: x.y.Z = x.y.Z()\n"
        "class Method:\n    Config = Config\n    like: str = 'mmvae'\n"
    )
    (tmp_path / "broken.py").write_text("class (")
    monkeypatch.syspath_prepend(tmp_path)
    method = find("outside", "Method")
    assert fields(attribute(method, "Config")) == {"word": Field("first", ("b",), None, "b"), "far": Field("")}
    assert constant(attribute(method, "like")) == "mmvae"
    assert attribute(method, "Settings") is None
    assert find("broken", "Method") is None
