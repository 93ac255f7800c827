"""Trying a project out: a small sample of its data, trained on twice and overfitted, in a shed that is thrown away."""
