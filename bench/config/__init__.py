"""Settings: presets, the command line and config.yaml -> frozen dataclasses."""
