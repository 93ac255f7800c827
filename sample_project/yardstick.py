"""An honest yardstick: scikit-learn's gradient boosted trees on the same rows, with no tuning at all."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss, roc_auc_score


def figures(data: Any) -> dict[str, float]:
    """AUROC and log loss on the test rows of trees that were grown on the train rows."""
    x, y = data.train.tensors()
    test_x, test_y = data.test.tensors()
    trees = HistGradientBoostingClassifier(
        categorical_features=np.arange(data.numeric, len(data.features)), early_stopping=False, random_state=0
    )
    late = trees.fit(x, y).predict_proba(test_x)[:, 1]
    return {"yardstick/auroc": float(roc_auc_score(test_y, late)), "yardstick/logloss": float(log_loss(test_y, late))}
