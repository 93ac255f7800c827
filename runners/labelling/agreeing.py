"""How far two people agree beyond chance: Cohen's kappa.

J. Cohen, "A Coefficient of Agreement for Nominal Scales", Educational and Psychological Measurement 20 (1960).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

Key = tuple[str, int]


@dataclass(frozen=True)
class Agreement:
    """Two people on the rows that both labelled: 1 is always, 0 no more than chance would have it.

    `kappa` is None where both gave one and the same label throughout: chance alone would agree then. `error` is its
    large-sample standard error.
    """

    one: str
    other: str
    rows: int
    agreed: int
    kappa: float | None
    error: float | None


def agreements(labels: Mapping[str, Mapping[Key, str]]) -> list[Agreement]:
    """Every two people who labelled some rows in common; `labels` are those of each, by row."""
    return [
        cohen(one, other, [(labels[one][key], labels[other][key]) for key in labels[one].keys() & labels[other].keys()])
        for one, other in combinations(sorted(labels), 2)
        if labels[one].keys() & labels[other].keys()
    ]


def cohen(one: str, other: str, pairs: list[tuple[str, str]]) -> Agreement:
    """Of the labels that two people gave the same rows."""
    n = len(pairs)
    agreed = sum(a == b for a, b in pairs)
    mine, theirs = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    observed, chance = agreed / n, sum(mine[label] * theirs[label] for label in mine) / n**2
    if chance == 1:
        return Agreement(one, other, n, agreed, None, None)
    error = math.sqrt(observed * (1 - observed) / (n * (1 - chance) ** 2))
    return Agreement(one, other, n, agreed, (observed - chance) / (1 - chance), error)


def verdicts(labels: Mapping[str, Mapping[Key, str]]) -> tuple[dict[Key, str], set[Key]]:
    """What most people said of each row, and the rows on which as many say one thing as another."""
    said: dict[Key, Counter[str]] = {}
    for given in labels.values():
        for key, label in given.items():
            said.setdefault(key, Counter())[label] += 1
    settled: dict[Key, str] = {}
    for key, counts in said.items():
        first, *others = counts.most_common(2)
        if not others or others[0][1] < first[1]:
            settled[key] = first[0]
    return settled, said.keys() - settled.keys()
