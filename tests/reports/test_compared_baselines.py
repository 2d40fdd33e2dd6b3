"""What a network has to beat, on the same parts."""

import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from conftest import compose
from unrolled.building.data import load_data
from unrolled.reports.baselines import LINEAR, MAJORITY, fit_baselines, known_baselines


@pytest.fixture(scope="module")
def config():
    source = {"num_train": 60, "num_val": 20, "num_test": 40, "num_steps": 5, "num_features": 2}
    words = [f"data.source.{name}={value}" for name, value in source.items()]
    return compose("data=random", "data.source.num_classes=3", *words, "seed=3")


def test_majority_is_the_largest_class_of_train(config):
    parts = load_data(config).parts
    largest = np.bincount(parts.train.y.numpy()).argmax()

    scores = fit_baselines(config)

    assert scores[MAJORITY]["test/accuracy"] == np.mean(parts.test.y.numpy() == largest)


def test_linear_model_agrees_with_one_made_by_hand(config):
    parts = load_data(config).parts

    def features(part):
        x = part.x.double().numpy()
        statistics = [x.mean(1), x.std(1), x.min(1), x.max(1), x[:, 0], x[:, -1]]
        return np.concatenate(statistics, axis=1)

    train = features(parts.train)
    mean, scale = train.mean(0), np.where(train.std(0) > 0, train.std(0), 1)
    model = LogisticRegression(max_iter=1000).fit((train - mean) / scale, parts.train.y)
    expected = model.score((features(parts.test) - mean) / scale, parts.test.y)

    assert fit_baselines(config)[LINEAR]["test/accuracy"] == pytest.approx(expected, abs=0.006)


def test_test_is_not_read_where_the_run_does_not(config):
    closed = config.copy()
    closed.test = False

    assert fit_baselines(closed)[LINEAR].keys() == {"val/accuracy"}


def test_what_was_fitted_is_kept_until_the_data_changes(config, tmp_path):
    cache = tmp_path / "baselines.json"
    fitted = known_baselines(config, data_fingerprint="a", cache=cache)
    known = json.loads(cache.read_text())
    (key,) = known
    known[key][LINEAR]["test/accuracy"] = 0.25
    cache.write_text(json.dumps(known))

    assert (
        known_baselines(config, data_fingerprint="a", cache=cache)[LINEAR]["test/accuracy"] == 0.25
    )
    assert known_baselines(config, data_fingerprint="b", cache=cache) == fitted
