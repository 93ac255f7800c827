"""A child and its end: identity of processes, log, events, samples, outcome."""
