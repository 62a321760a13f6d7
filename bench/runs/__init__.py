"""What lies in a run's directory: identity and paths, state, lock, files, checkpoints, provenance."""
