"""Building a model and training it."""
