"""Runs as files that anything reads, and that another shed takes in."""
