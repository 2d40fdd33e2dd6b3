"""`calibration=temperature`: fitted on predictions not trained on, and used wherever a run is."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import unrolled
from conftest import ragged
from unrolled.classifier.calibration import Outputs, fit_temperature
from unrolled.cli import run
from unrolled.errors import CheckpointError
from unrolled.export.graph import Graph
from unrolled.prediction import long_sequences
from unrolled.reports.terminal import show_scores
from unrolled.runs.result import Result
from unrolled.runs.run_folder import RunFolder
from unrolled.training import experiment
from unrolled.training.calibrating import fit_on_folds

TrainRagged = Callable[..., Path]

ON = "calibration=temperature"
OWN = ("recipe=own", "data.missing=forward", "data.val_size=8", ON)
WINDOWS = ("data.window.size=6", "data.window.stride=4")
RUNS = {
    "network": OWN,
    "ensemble": (*OWN, "ensemble=[gru,lstm]"),
    "windows": (*OWN, *WINDOWS),
    "folds": ("recipe=own", "data.missing=forward", ON, "data.test_fold=all", "data.num_folds=2"),
    "small": ("data.missing=forward", ON, "data.test_size=null", "data.num_folds=2"),
    "minirocket": (*OWN, "model=minirocket"),
}


def outputs(logits: torch.Tensor, y: torch.Tensor, ids: torch.Tensor | None = None) -> Outputs:
    numbers = torch.arange(len(y)) if ids is None else ids
    return Outputs(logits, y, numbers, ids is not None)


def some_outputs(num: int, *, seed: int, factor: float) -> Outputs:
    """Return predictions whose logits are too large by a factor."""
    random = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(num, 3, generator=random)
    y = torch.multinomial(logits.softmax(dim=1), 1, generator=random)[:, 0]
    return outputs(factor * logits, y)


def result_of(folder: Path) -> Result:
    result = RunFolder(folder).result()
    assert result is not None
    return result


# fitting


@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_logits_that_are_too_large_by_a_factor_get_it_as_their_temperature(factor: float) -> None:
    some = some_outputs(4000, seed=0, factor=factor)
    temperature = fit_temperature(some)
    assert temperature == pytest.approx(factor, rel=0.1)
    assert some.calibration_error(temperature) < some.calibration_error(1.0) / 2


@pytest.mark.parametrize("num", [20, 200])
def test_at_the_temperature_the_derivative_of_the_posterior_is_zero(num: int) -> None:
    some = some_outputs(num, seed=1, factor=2.0)
    temperature = fit_temperature(some)
    z = some.logits.double().numpy() / temperature
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    # d(-log p_y) / d(log T) = z_y - sum_c p_c z_c
    derivatives = z[np.arange(num), some.y.numpy()] - (p * z).sum(axis=1)
    assert derivatives.sum() + np.log(temperature) == pytest.approx(0, abs=1e-3)
    assert abs(np.log(temperature)) > 0.1


def test_without_a_mistake_the_temperature_is_far_from_its_bounds() -> None:
    some = outputs(3 * torch.eye(4) + 0.1, torch.arange(4))
    assert 0.1 < fit_temperature(some) < 1


@pytest.mark.parametrize("num", [1, 3, 10, 100])
def test_the_loss_never_rises(num: int) -> None:
    for seed in range(5):
        some = some_outputs(num, seed=seed, factor=1.1)
        assert some.loss(fit_temperature(some)) <= some.loss(1.0)


def test_of_windows_the_loss_of_recordings_is_minimized() -> None:
    windows = some_outputs(300, seed=2, factor=3.0)
    ids = torch.arange(300) // 3
    some = outputs(windows.logits, windows.y[ids * 3], ids)

    def loss(temperature: float) -> float:
        p = (some.logits.double() / temperature).softmax(dim=1)
        mean = p.reshape(100, 3, 3).mean(dim=1)
        likelihood = float(mean[torch.arange(100), windows.y[::3]].log().sum())
        return np.log(temperature) ** 2 / 2 - likelihood

    best = fit_temperature(some)
    assert len(some) == 100
    assert loss(best) < min(loss(0.98 * best), loss(1.02 * best))


def test_the_temperature_of_a_fold_depends_on_the_other_folds_only() -> None:
    folds = [some_outputs(50, seed=seed, factor=1 + seed) for seed in range(3)]
    calibration, temperatures = fit_on_folds(folds)
    changed = [folds[0], folds[1], some_outputs(50, seed=9, factor=9.0)]
    _, after_change = fit_on_folds(changed)

    assert temperatures[2] == after_change[2]
    assert temperatures[0] != after_change[0]
    expected = np.mean([f.loss(t) for f, t in zip(folds, temperatures, strict=True)])
    assert calibration.after["cv/loss"] == pytest.approx(expected)


# runs


@pytest.mark.parametrize("settings", RUNS.values(), ids=RUNS)
def test_every_use_of_a_run_has_the_same_calibrated_probabilities(
    settings: tuple[str, ...], train_ragged: TrainRagged, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = train_ragged(*settings)
    some = ragged(7, seed=5)
    predictor, without = unrolled.load(folder), unrolled.load(folder)
    calibration = result_of(folder).calibration
    assert calibration is not None
    assert float(predictor.run.ensemble.temperature) == np.float32(calibration.temperature)
    assert abs(calibration.temperature - 1) > 0.01
    without.run.ensemble.temperature = None

    found = predictor.predict(some).probabilities
    before = without.predict(some).probabilities

    assert abs(found - before).max() > 1e-3
    if not predictor.run.cuts_windows:
        powers = before.astype(float) ** (1 / calibration.temperature)
        np.testing.assert_allclose(found, powers / powers.sum(axis=1, keepdims=True), atol=1e-5)
    if predictor.run.runs_in_chunks:
        with monkeypatch.context() as patch:
            patch.setattr(long_sequences, "LONG_STEPS", 4)
            np.testing.assert_allclose(predictor.predict(some).probabilities, found, atol=1e-6)
    if len(predictor.run.networks) == len(predictor.run.ensemble.members):
        run_ = predictor.run
        graph = Graph(run_.ensemble, preparation=run_.preparation, fitted_inputs=run_.fitted_inputs)
        x = torch.from_numpy(some[0])[None]
        with torch.no_grad():
            exported = graph(x, torch.tensor([len(some[0])]))
        np.testing.assert_allclose(exported[0].numpy(), found[0], atol=1e-6)
    if settings[0] == "recipe=own" and "model=minirocket" not in settings:
        stream = predictor.stream()
        for x_t in some[0]:
            newest = stream.step(x_t)
        np.testing.assert_allclose(newest, found[0], atol=1e-5)


@pytest.mark.parametrize("name", ["network", "ensemble", "windows"])
def test_scores_are_of_the_calibrated_model(name: str, train_ragged: TrainRagged) -> None:
    folder = RunFolder(train_ragged(*RUNS[name]))
    result = result_of(folder.path)
    calibration = result.calibration
    assert calibration is not None

    again = experiment.evaluate(folder.config(), folder)["scores"]

    assert again == pytest.approx({k: v for k, v in result.scores.items() if "test/" in k})
    kind = "vote_loss" if name == "windows" else "loss"
    for split in ("val", "test"):
        assert calibration.after[f"{split}/loss"] == pytest.approx(
            result.scores[f"{split}/{kind}"], rel=1e-3
        )
    assert calibration.after["val/loss"] < calibration.before["val/loss"] - 0.01
    assert result.scores.keys() >= {"val/accuracy", "test/calibration_error"}


def test_folds_are_calibrated_together_and_train_as_without_calibration(
    train_ragged: TrainRagged, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = RunFolder(train_ragged(*RUNS["folds"]))
    result = result_of(folder.path)
    assert result.calibration is not None
    assert (result.calibration.fitted_on, result.calibration.num_sequences) == ("cv", 24)
    assert {part.config().calibration for part in (*folder.folds, *folder.members)} == {"none"}

    show_scores(result)

    printed = capsys.readouterr().out
    before = result.calibration.before["cv/calibration_error"]
    assert "fitted on 24 held-out predictions" in printed
    assert f"cv calibration error: {before:.4f} before" in printed


def test_a_finished_run_can_be_calibrated(train_ragged: TrainRagged, tmp_path: Path) -> None:
    calibrated = train_ragged(*OWN)
    shutil.copytree(train_ragged(*OWN[:-1]), tmp_path / "run")
    weights = (tmp_path / "run" / "checkpoints" / "best.ckpt").read_bytes()

    assert run(["resume", f"run={tmp_path / 'run'}", ON]) == 0

    assert result_of(tmp_path / "run").calibration == result_of(calibrated).calibration
    assert (tmp_path / "run" / "checkpoints" / "best.ckpt").read_bytes() == weights
    some = ragged(3, seed=1)
    one, other = (unrolled.load(path).predict(some) for path in (tmp_path / "run", calibrated))
    np.testing.assert_array_equal(one.probabilities, other.probabilities)


def test_a_changed_or_missing_temperature_is_refused(
    train_ragged: TrainRagged, tmp_path: Path
) -> None:
    shutil.copytree(train_ragged(*OWN), tmp_path / "run")
    path = tmp_path / "run" / "result.json"
    path.write_text(path.read_text().replace('"temperature": ', '"temperature": 1'))
    with pytest.raises(CheckpointError, match=r"result\.json is not the file that the run wrote"):
        unrolled.load(tmp_path / "run")

    (tmp_path / "run" / "manifest.json").unlink()
    folder = RunFolder(tmp_path / "run")
    result = result_of(folder.path)
    result.calibration = None
    folder.write_result(result)
    with pytest.raises(CheckpointError, match="the temperature is None"):
        unrolled.load(tmp_path / "run")


def test_a_run_of_a_version_without_calibration_predicts(
    train_ragged: TrainRagged, tmp_path: Path
) -> None:
    shutil.copytree(train_ragged(*OWN[:-1]), tmp_path / "run")
    (tmp_path / "run" / "manifest.json").unlink()
    for name in ("config.yaml", "result.json"):
        path = tmp_path / "run" / name
        text = re.sub(
            r'^(calibration: none|  "calibration": null,)\n',
            "",
            path.read_text(),
            flags=re.MULTILINE,
        )
        assert text != path.read_text()
        path.write_text(text)

    assert unrolled.load(tmp_path / "run").run.ensemble.temperature is None
    assert result_of(tmp_path / "run").calibration is None


REFUSED = {
    "no validation set": (("data.val_size=0",), r"data\.val_size=0\.2.*data\.test_fold=all"),
    "ensemble": (("data.val_size=0", "ensemble=2"), r"data\.val_size=0\.2"),
    "minirocket": (("data.val_size=0", "model=minirocket"), r"data\.val_size=0\.2"),
    "no validation": (("trainer.limit_val_batches=0",), "would have no effect: it needs"),
    "no model": (("data.test_fold=all", "data.refit=false"), r"data\.refit=true"),
}


@pytest.mark.parametrize(("settings", "message"), REFUSED.values(), ids=REFUSED)
def test_without_something_to_fit_on_the_remedy_is_named(
    settings: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = ("model.hidden_size=4",) if "model=minirocket" not in settings else ()
    words = (*settings, *tiny, "trainer.max_epochs=1", "logger=none", ON)
    assert run(["train", *words, f"hydra.run.dir={tmp_path / 'run'}"]) == 2
    error = capsys.readouterr().err
    assert ON in error
    assert re.search(message, error)
