"""`RecurrentClassifier` behaves as an estimator of scikit-learn."""

import logging
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

import unrolled
from unrolled import RecurrentClassifier
from unrolled.errors import ConfigError, DataError

FAST = ("model.hidden_size=8", "optimizer.lr=0.03", "data.val_size=0", "data.batch_size=16")
TINY = RecurrentClassifier("gru", "own", (*FAST, "trainer.max_epochs=1"))
CHECKED = RecurrentClassifier("gru", "own", (*FAST, "trainer.max_epochs=8"))
# Checks that do not apply to sequences; docs/python.md lists the same reasons.
EXCEPTIONS: dict[str, str] = {}

rng = np.random.default_rng(0)
Y = np.array(["slow", "fast"] * 12)
X = np.stack(
    [
        np.sin((0.3 if label == "slow" else 1.2) * np.arange(8)[:, None] + rng.normal(size=2))
        for label in Y
    ]
)
RAGGED = [part[: 5 + number % 4] for number, part in enumerate(X)]


@pytest.mark.slow
@parametrize_with_checks([CHECKED], expected_failed_checks=lambda _: EXCEPTIONS)
def test_the_estimator_passes_the_check(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.fixture(scope="module")
def fitted() -> RecurrentClassifier:
    return clone(CHECKED).fit(RAGGED, Y)


def test_labels_are_predicted_in_their_own_type(fitted: RecurrentClassifier) -> None:
    assert fitted.classes_.tolist() == ["fast", "slow"]
    assert fitted.predict(RAGGED).dtype == Y.dtype
    assert fitted.score(RAGGED, Y) > 0.8
    probabilities = fitted.predict_proba(X)
    assert probabilities.shape == (24, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_a_pickle_predicts_the_same(fitted: RecurrentClassifier) -> None:
    again = pickle.loads(pickle.dumps(fitted))

    np.testing.assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))


def test_training_is_that_of_the_command_line(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    numbers = (Y == "slow").astype(int)
    words = [*TINY.overrides, "model=gru", "recipe=own", "logger=none", "data.test_size=0"]

    run = unrolled.train([*words, "seed=3"], data=(X, numbers))
    estimator = clone(TINY).set_params(random_state=3).fit(X, numbers)

    expected = unrolled.load(run).predict(X).probabilities
    np.testing.assert_allclose(estimator.predict_proba(X), expected, rtol=1e-6)


def test_nothing_is_printed_or_written_unless_asked(
    tmp_path: Path, monkeypatch: Any, capfd: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    handlers = list(logging.getLogger().handlers)

    clone(TINY).fit(X, Y)

    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []
    assert logging.getLogger().handlers == handlers
    kept = clone(TINY).set_params(verbose=True)
    kept.set_params(overrides=[*TINY.overrides, "hydra.run.dir=kept"]).fit(X, Y)
    assert "model: GRU" in capfd.readouterr().out
    assert unrolled.load("kept").class_names == ["0", "1"]


def test_it_works_in_cross_validation_on_lists() -> None:
    assert len(cross_val_score(clone(TINY), RAGGED, Y, cv=2)) == 2


def test_minirocket_needs_no_other_settings() -> None:
    model = RecurrentClassifier("minirocket", overrides=["model.num_features=84"])
    assert model.fit(RAGGED, Y).score(RAGGED, Y) > 0.9


def test_it_works_in_a_grid_search_in_a_pipeline() -> None:
    pipeline = make_pipeline(FunctionTransformer(np.tanh), clone(TINY))
    grid = {"recurrentclassifier__model": ["gru", "lstm"]}

    search = GridSearchCV(pipeline, grid, cv=2).fit(X, Y)

    assert set(search.cv_results_["param_recurrentclassifier__model"]) == {"gru", "lstm"}
    assert search.predict(X).shape == (24,)


@pytest.mark.parametrize("x", [X[:, :, 0], X], ids=["table", "array"])
def test_it_works_calibrated_and_stacked(x: Any) -> None:
    calibrated = CalibratedClassifierCV(clone(TINY), cv=2)
    stacked = StackingClassifier(
        [("gru", calibrated)], final_estimator=LogisticRegression(), cv=2
    ).fit(x, Y)

    assert stacked.predict_proba(x).shape == (24, 2)


def test_a_mistake_is_refused() -> None:
    with pytest.raises(ConfigError, match="use random_state"):
        clone(TINY).set_params(overrides=["seed=2"]).fit(X, Y)
    with pytest.raises(ConfigError, match="no such option"):
        clone(TINY).set_params(model="grru").fit(X, Y)
    with pytest.raises(DataError, match="sequence 1 has 1 features"):
        clone(TINY).fit([X[0], X[1][:, :1], *X[2:]], Y)
