"""What a model leans on is what it loses when that changes places."""

from __future__ import annotations

import numpy as np

from runners.evaluation.importance import permutation_importance


def test_columns_are_as_important_as_the_model_leans_on_them() -> None:
    random = np.random.default_rng(0)
    feeds = {name: random.normal(size=(2000, 1)) for name in ("strong", "weak", "none")}

    def predict(rows: dict[str, np.ndarray]) -> np.ndarray:
        return np.asarray(1 / (1 + np.exp(-(3 * rows["strong"] + rows["weak"])[:, 0])))

    target = (random.random(2000) < predict(feeds)).astype(float)
    found = permutation_importance(predict, feeds, target, "binary", "auroc")
    assert found["strong"] > 3 * found["weak"] > 0 and found["none"] == 0
    assert permutation_importance(predict, feeds, target, "binary", "logloss")["strong"] > 0
