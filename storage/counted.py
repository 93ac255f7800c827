"""Counts in words that fit them."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """`1 row`, `1,204 rows`: of nouns that take an s."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
