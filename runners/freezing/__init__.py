"""What is frozen when a run is launched: code, diff, environment."""
