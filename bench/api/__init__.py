"""What the commands do, as functions: `bench.run`, `bench.results` and `bench.load`."""

from bench.api.model import Model, load
from bench.api.running import run
from bench.api.tables import results

__all__ = ["Model", "load", "results", "run"]
