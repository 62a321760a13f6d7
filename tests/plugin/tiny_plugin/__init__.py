"""A package outside the project that adds one of each: a method, a prior, a dataset and an evaluator."""
