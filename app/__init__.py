"""The doors: what a person or a script calls."""
