"""What the commands do, as functions: `bench.run`, `bench.results` and `bench.load`, each from a module of its own."""
