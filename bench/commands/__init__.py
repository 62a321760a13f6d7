"""The commands, one module each. A module offers `add(commands)`, which adds its parser and what carries it out.

Heavy modules are imported by the functions that need them, so that `--help` is immediate.
"""

from __future__ import annotations

import argparse
from typing import TypeAlias

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
