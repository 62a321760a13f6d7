"""The house's own rules: imports point one way, and a file or a function fits on a screen or two."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = [  # from the ground up; a room imports from its own floor and those below
    {"bench", "bench.errors", "methods"},
    {"evaluators"},
    {"bench.config"},
    {"bench.runs"},
    {"bench.datasets"},
    {"bench.training"},
    {"bench.evaluation"},
    {"bench.runner"},
    {"bench.execution", "bench.reporting", "bench.speed"},
    {"bench.api"},
    {"bench.commands"},
    {"bench.cli"},
    {"bench.__main__"},
]
SOURCES = sorted(path for package in ("bench", "methods", "evaluators") for path in (ROOT / package).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))


def module_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module):
    return ".".join(module.split(".")[:2]) if module.startswith("bench.") else module.split(".")[0]


def floor_of(module):
    (floor,) = (number for number, rooms in enumerate(FLOORS) if room_of(module) in rooms)
    return floor


def imports_of(path):
    """Modules of the house that a file imports, also within functions and for type checking."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_point_down(path):
    if path == ROOT / "bench" / "__init__.py":
        return  # names what is for users, which lies above
    known = {module_of(other) for other in SOURCES}
    here = module_of(path)
    for module in set(imports_of(path)) & known:
        assert floor_of(module) <= floor_of(here), f"{here} imports {module}, which is above it"
        if room_of(here) != room_of(module):
            one_floor = FLOORS[floor_of(here)]
            assert room_of(module) not in one_floor or "bench" in one_floor, f"{here} imports its neighbour {module}"


@pytest.mark.parametrize("path", [*SOURCES, *TESTS], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_file_and_its_functions_are_short(path):
    text = path.read_text()
    assert text.count("\n") <= 250
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert [f.name for f in functions if f.end_lineno - f.lineno >= 50 + len(f.decorator_list)] == []


def test_no_module_is_in_a_circle():
    known = {module_of(path): path for path in SOURCES}
    graph = {}
    for name, path in known.items():
        top = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.ImportFrom | ast.Import)]
        found = set()
        for node in top:
            if isinstance(node, ast.ImportFrom) and node.module:
                found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        graph[name] = (found & known.keys()) - {name}
    done, path_here = set(), []

    def visit(name):
        assert name not in path_here, f"a circle of imports: {' -> '.join([*path_here, name])}"
        if name not in done:
            path_here.append(name)
            for other in graph[name]:
                if not name.startswith(f"{other}."):  # a package is there before its modules
                    visit(other)
            path_here.pop()
            done.add(name)

    for name in known:
        visit(name)
