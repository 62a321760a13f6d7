"""What a training step and an evaluation cost on this machine."""
