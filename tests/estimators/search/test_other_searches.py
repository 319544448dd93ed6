"""The searches of scikit-learn take label sets, and epochs as a resource."""

import numpy as np
import pytest
import sklearn.experimental.enable_halving_search_cv as enabled
from sklearn.model_selection import HalvingGridSearchCV

from manyhot import MultiLabelKFold
from tests.estimators.search.test_tuning import classifier, table

assert enabled  # imported for what it does


@pytest.mark.slow
def test_halving_by_epochs_with_label_sets():
    X, sets = table()
    search = HalvingGridSearchCV(
        classifier(),
        {"learning_rate": [1e-6, 3e-2]},
        resource="epochs",
        min_resources=1,
        max_resources=2,
        factor=2,
        cv=MultiLabelKFold(2),
        refit=False,
    ).fit(X, np.array(sets, dtype=object))
    assert search.n_resources_ == [1, 2]
    assert search.best_params_["epochs"] == 2
    assert search.best_params_["learning_rate"] == 3e-2
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
