"""`Predictor.stream`: after each step, the probabilities that `predict` has for the prefix."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import unrolled
from conftest import ragged
from unrolled.baselines.minirocket import MiniRocket
from unrolled.building.ensemble import Ensemble
from unrolled.cli import run
from unrolled.errors import CheckpointError, ConfigError, DataError
from unrolled.prediction.predictor import Predictor
from unrolled.streaming.refusals import require_streamable

TrainRagged = Callable[..., Path]

CAUSAL = ("recipe.causal=true", "data.missing=forward", "stem.stride=2", "stem.pool=2")
WINDOWS = ("data.window.size=6", "data.window.stride=4", "stem=none", "data.missing=forward")
RUNS = {
    "the_recipe_for_own_data": CAUSAL,
    "an_ensemble_with_masks": (
        *("recipe.causal=true", "data.missing=mask", "ensemble=[gru,lstm]", "head=attention"),
    ),
    "a_maximum_of_steps": ("recipe=own", "data.missing=mean", "data.max_length=9"),
    "windows": WINDOWS,
    "windows_of_a_bidirectional_model": (*WINDOWS, "model.bidirectional=true", "recipe=own"),
}


@pytest.mark.parametrize("settings", RUNS.values(), ids=RUNS)
def test_each_step_has_the_probabilities_of_the_prefix(
    settings: tuple[str, ...], train_ragged: TrainRagged
) -> None:
    predictor = unrolled.load(train_ragged(*settings))
    (x,) = ragged(1, seed=1)
    assert len(x) > 12
    stream = predictor.stream()

    found = np.stack([stream.step(x_t) for x_t in x])

    expected = predictor.predict([x[:num] for num in range(1, len(x) + 1)]).probabilities
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert found.std(axis=0).min() > 1e-4


@pytest.fixture
def predictor(train_ragged: TrainRagged) -> Predictor:
    return unrolled.load(train_ragged(*CAUSAL))


def test_several_streams_are_read_as_one_batch(predictor: Predictor) -> None:
    some = [x[:10] for x in ragged(12, seed=2) if len(x) >= 10]
    together = predictor.stream(num_streams=len(some))

    for x_t in np.stack(some, axis=1):
        probabilities = together.step(x_t)

    np.testing.assert_allclose(probabilities, predictor.predict(some).probabilities, rtol=1e-5)


def test_one_of_several_streams_begins_again(predictor: Predictor) -> None:
    first, second, third = [x[:7] for x in ragged(12, seed=3) if len(x) >= 7][:3]
    stream = predictor.stream(num_streams=2)
    for steps in zip(first[:3], second[:3], strict=True):
        stream.step(np.stack(steps))

    stream.reset([1])
    for steps in zip(first[3:7], third[:4], strict=True):
        probabilities = stream.step(np.stack(steps))

    expected = predictor.predict([first, third[:4]]).probabilities
    np.testing.assert_allclose(probabilities, expected, rtol=1e-5)


def test_a_saved_state_is_continued_elsewhere(predictor: Predictor) -> None:
    (x,) = ragged(1, seed=1)
    stream = predictor.stream()
    for x_t in x[:5]:
        stream.step(x_t)
    file = io.BytesIO()
    torch.save(stream.state_dict(), file)
    stream.step(x[0])  # what was saved does not change

    file.seek(0)
    other = predictor.stream()
    other.load_state_dict(torch.load(file, weights_only=True))

    np.testing.assert_allclose(
        other.step(x[5]), predictor.predict([x[:6]]).probabilities[0], rtol=1e-5
    )


def test_the_state_of_another_run_is_refused(
    predictor: Predictor, train_ragged: TrainRagged
) -> None:
    state = predictor.stream().state_dict()
    other = unrolled.load(train_ragged(*CAUSAL, "seed=2")).stream()

    with pytest.raises(CheckpointError, match="not the state of a stream of this run"):
        other.load_state_dict(state)
    with pytest.raises(CheckpointError, match="num_streams=3"):
        predictor.stream(num_streams=3).load_state_dict(state)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ([1.0, 2.0, 3.0], r"has the shape \(2,\), got \(3,\)"),
        ([1.0, np.inf], "feature 1: inf is not a finite number"),
    ],
)
def test_a_step_that_does_not_fit_is_refused(
    step: list[float], message: str, predictor: Predictor
) -> None:
    with pytest.raises(DataError, match=message):
        predictor.stream().step(step)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("data.missing=forward",), r"(?s)level_and_scale=true.*stem\.causal.*recipe\.causal=true"),
        (("recipe=own", "data.missing=mean", "model.bidirectional=true"), "bidirectional=false"),
        (
            ("recipe=own", "data.missing=mean", "data.max_length=9", "data.truncate=head"),
            "truncate=tail",
        ),
        (("recipe=own", "data.missing=mean", "data.resample=2"), "data.resample=null"),
    ],
)
def test_a_run_that_needs_later_steps_is_refused_with_the_remedy(
    settings: tuple[str, ...], message: str, train_ragged: TrainRagged
) -> None:
    predictor = unrolled.load(train_ragged(*settings))
    with pytest.raises(ConfigError, match=message):
        predictor.stream()


def test_a_model_without_steps_is_refused(predictor: Predictor) -> None:
    ensemble = Ensemble([MiniRocket(num_features=84, seed=0)], input_numbers=[0], temperature=None)
    run = predictor.run

    with pytest.raises(ConfigError, match="model=minirocket reads whole sequences"):
        require_streamable(ensemble, preparation=run.preparation, fitted_inputs=run.fitted_inputs)


def write_file(path: Path) -> list[np.ndarray]:
    """Write some sequences as a file without labels, and return them."""
    some = ragged(5, seed=4)
    rows = [
        (f"s{number}", step, *values)
        for number, sequence in enumerate(some)
        for step, values in enumerate(sequence)
    ]
    pd.DataFrame(rows, columns=["id", "t", "a", "b"]).to_csv(path, index=False)
    return some


def test_predict_writes_a_row_per_step(train_ragged: TrainRagged, tmp_path: Path) -> None:
    some = write_file(tmp_path / "new.csv")
    words = [f"run={train_ragged(*CAUSAL)}", f"input={tmp_path / 'new.csv'}"]

    assert run(["predict", *words, f"output={tmp_path / 'out.csv'}", "per_step=true"]) == 0

    table = pd.read_csv(tmp_path / "out.csv")
    assert list(table.columns) == ["id", "step", "predicted", "p_falls", "p_rises"]
    assert list(table["id"]) == [f"s{n}" for n, x in enumerate(some) for _ in x]
    assert list(table["step"]) == [step + 1 for x in some for step in range(len(x))]
    predictor = unrolled.load(train_ragged(*CAUSAL))
    prefixes = [x[: step + 1] for x in some for step in range(len(x))]
    expected = predictor.predict(prefixes)
    assert list(table["predicted"]) == expected.labels
    np.testing.assert_allclose(table["p_falls"], expected.probabilities[:, 0], rtol=1e-5)


def test_predict_per_step_needs_a_run_that_does_not_need_later_steps(
    train_ragged: TrainRagged, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_file(tmp_path / "new.csv")
    words = [f"run={train_ragged('data.missing=forward')}", f"input={tmp_path / 'new.csv'}"]

    assert run(["predict", *words, f"output={tmp_path / 'out.csv'}", "per_step=true"]) == 2

    assert "recipe.causal=true" in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()
