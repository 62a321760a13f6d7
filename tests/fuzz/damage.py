"""Ways to damage a run's directory. Each changes files below it at random, and says what it did."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import yaml

VALUES: list[Any] = [
    *(None, True, -1, 0, 1.5, 2**70, -1e300, 10**400, "", "x", "1", "NaN", "../../../etc/passwd", "=1+1", "a | b\n# c"),
    *("\x1b[2J\x07", "\u202eabc", "\ud800", "x" * 10_000, "$\\frac{", [], [1, "x"], [[[]]], {}, {"a": {"b": []}}),
]
DEEP = 100_000  # brackets


def files_of(run: Path) -> list[Path]:
    """All that is a file, in the same order each time."""
    files = (path for path in run.rglob("*") if path.is_file() and not path.is_symlink())
    return sorted(path for path in files if path.stat().st_size < 1 << 20)


def truncate(rng: Random, path: Path) -> str:
    size = rng.randrange(max(1, path.stat().st_size))
    with path.open("r+b") as file:
        file.truncate(size)
    return f"cut to {size} bytes"


def flip(rng: Random, path: Path) -> str:
    content = bytearray(path.read_bytes())
    for _ in range(rng.choice([1, 1, 3, 30])):
        if content:
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(bytes(content))
    return "bits flipped"


def empty(rng: Random, path: Path) -> str:
    path.write_bytes(b"")
    return "emptied"


def delete(rng: Random, path: Path) -> str:
    path.unlink()
    return "deleted"


def folder(rng: Random, path: Path) -> str:
    path.unlink()
    path.mkdir()
    if rng.random() < 0.5:
        (path / "x").touch()
    return "a folder"


def fifo(rng: Random, path: Path) -> str:
    path.unlink()
    os.mkfifo(path)
    return "a FIFO"


def link(rng: Random, path: Path) -> str:
    target = rng.choice(["nowhere", path.name, "..", "/dev/zero", "/dev/null", str(path.parent), "/proc/self/mem"])
    path.unlink()
    path.symlink_to(target)
    return f"a link to {target}"


def sparse(rng: Random, path: Path) -> str:
    with path.open("r+b") as file:
        file.truncate(1 << 41)
    return "2 TiB of nothing"


def noise(rng: Random, path: Path) -> str:
    path.write_bytes(rng.randbytes(rng.choice([1, 100, 10_000])))
    return "noise"


def nested(rng: Random, path: Path) -> str:
    opening, closing = rng.choice([("[", "]"), ('{"a":', "}"), ("- ", "")])
    path.write_text(opening * DEEP + "1" + closing * DEEP)
    return f"nested {DEEP} deep"


def retype(rng: Random, path: Path) -> str:
    """Another value, or none, at some place of a JSON or YAML tree; elsewhere as `flip`."""
    try:
        tree = yaml.safe_load(path.read_text()) if path.suffix == ".yaml" else json.loads(path.read_text())
    except (ValueError, yaml.YAMLError):
        return flip(rng, path)
    places = list(_places(tree))
    if not places:
        return flip(rng, path)
    part, key = rng.choice(places)
    value = rng.choice(VALUES)
    if rng.random() < 0.2:
        del part[key]
        done = f"{key!r} deleted"
    else:
        part[key] = value
        done = f"{key!r} is {value!r:.40}"
    text = yaml.safe_dump(tree, sort_keys=False) if path.suffix == ".yaml" else json.dumps(tree)
    path.write_bytes(text.encode(errors="surrogatepass"))
    return done


def _places(tree: Any) -> Any:
    keys = list(tree) if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else []
    for key in keys:
        yield tree, key
        yield from _places(tree[key])


def copy(rng: Random, path: Path) -> str:
    """Not the file: a folder above it, beside itself."""
    run = next(parent for parent in path.parents if parent.name.startswith("seed-"))
    above = rng.choice([run, run.parent, run.parent.parent])
    target = above.with_name(rng.choice([f"{above.name}.bak", "0", "seed-0", "seed-99", f"seed-{above.name}"]))
    if os.path.lexists(target):
        return "nothing"
    shutil.copytree(above, target, symlinks=True, ignore=_uncopied)
    return f"{above.name} copied to {target.name}"


def _uncopied(folder: str, names: list[str]) -> list[str]:
    """What earlier damage made of files: a FIFO would wait for ever, and a sparse file would fill the disk."""
    kinds = {name: os.lstat(os.path.join(folder, name)) for name in names}
    whole = {name for name, s in kinds.items() if stat.S_ISDIR(s.st_mode) or stat.S_ISLNK(s.st_mode)}
    small = {name for name, s in kinds.items() if stat.S_ISREG(s.st_mode) and s.st_size < 1 << 20}
    return [name for name in names if name not in whole | small]


DAMAGES: list[Callable[[Random, Path], str]] = [
    *(truncate, flip, empty, delete, folder, fifo, link, sparse, noise, nested, copy),
    *[retype] * 8,  # as there are many places
]


def damage(rng: Random, run: Path) -> str:
    """One damage to one file of the run; what it was."""
    files = files_of(run)
    if not files:
        return "nothing is left"
    path = rng.choice(files)
    done = rng.choice(DAMAGES)(rng, path)
    return f"{path.relative_to(run)}: {done}"
