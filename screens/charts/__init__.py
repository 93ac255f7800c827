"""Curves as text: pure functions from numbers to characters."""
