"""Sweeps: optuna chooses params, the queue runs the trials, and what does worse than others is stopped early."""
