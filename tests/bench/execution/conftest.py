from tests.bench.execution.folders import out, tools  # noqa: F401 (the fixtures)
