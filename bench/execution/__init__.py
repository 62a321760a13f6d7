"""Where runs are executed: this process, a local pool, SLURM."""
