"""The evaluators' context, the classifiers, pictures; finished runs evaluated again."""
