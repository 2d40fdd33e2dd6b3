"""`ensemble=N`: members are ordinary runs in one folder, and their probabilities are averaged."""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import unrolled
from conftest import compose
from unrolled.building.data import load_data
from unrolled.building.ensemble import average
from unrolled.cli import run
from unrolled.config import checks
from unrolled.config.checks import check_config
from unrolled.config.compound import member_seed, part_configs
from unrolled.config.effects import check_effects
from unrolled.config.values import is_longer
from unrolled.data.sources.random import Random
from unrolled.errors import CheckpointError, ConfigError, DataError, NotFiniteError
from unrolled.prediction import long_sequences
from unrolled.prediction.predictor import Predictor
from unrolled.reports.runs import read_run
from unrolled.runs.run_folder import RunFolder, find_run, find_runs
from unrolled.training import experiment

TINY = (
    "data=random",
    "data.source.num_train=24",
    "data.source.num_val=12",
    "data.source.num_test=12",
    "data.source.num_steps=5",
    "data.source.num_features=3",
    "data.source.num_classes=3",
    "model.hidden_size=4",
    "trainer.max_epochs=2",
    "logger=none",
    "~callbacks.early_stopping",
)

MINIROCKET = (*(word for word in TINY if "hidden_size" not in word), "model=minirocket")
CHANNELS = ("data.per_sequence=true", "data.differences=true")  # of three features: twelve


@pytest.fixture(scope="module")
def trained(train_in: Callable[..., SimpleNamespace]) -> SimpleNamespace:
    """An ensemble of three models that differ. Only to be read."""
    return train_in(*TINY, "ensemble=[gru,lstm,gru]")


def test_the_first_member_is_the_network_that_the_run_trains_without_an_ensemble(
    train_in: Callable[..., SimpleNamespace], trained: SimpleNamespace
) -> None:
    alone = train_in(*TINY, "model=gru").folder.best_state_dict()
    first, _, third = (member.best_state_dict() for member in trained.folder.members)

    assert all(torch.equal(first[name], alone[name]) for name in alone)
    assert not any(torch.equal(third[name], alone[name]) for name in alone)


def test_a_message_that_holds_for_each_member_is_shown_once(
    train_in: Callable[..., SimpleNamespace], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        train_in(*TINY, "trainer.max_epochs=6", "callbacks.progress.max_lines=6", "ensemble=2")

    assert sum(line.startswith("data: ") for line in caplog.messages) == 1
    assert sum(line.startswith("Epoch") for line in caplog.messages) == 2 * 3


def test_members_have_seeds_of_their_own_even_between_runs_with_neighboring_seeds() -> None:
    seeds = {member_seed(seed, number) for seed in range(20) for number in range(1, 11)}

    assert len(seeds) == 200
    assert [member_seed(7, number) for number in (1, 2)] == [7, 231060907]


def test_probabilities_are_the_mean_over_the_members(trained: SimpleNamespace) -> None:
    x = torch.randn(6, 5, 3)
    alone = [Predictor(member).predict(x).probabilities for member in trained.folder.members]

    together = unrolled.load(trained.folder.path).predict(x)

    np.testing.assert_allclose(together.probabilities, np.mean(alone, axis=0), rtol=1e-5)
    assert together.labels == [together.class_names[i] for i in np.mean(alone, axis=0).argmax(1)]


def test_the_average_is_finite_where_probabilities_underflow() -> None:
    logits = torch.tensor([[[0.0, -1000.0]], [[0.0, -1000.0]]])

    assert average(logits, temperature=None).tolist() == [[0.0, -1000.0]]


def test_a_long_sequence_is_averaged_too(
    trained: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = torch.randn(1, 50, 3)
    whole = Predictor(trained.folder).predict(x).probabilities
    monkeypatch.setattr(long_sequences, "LONG_STEPS", 8)
    monkeypatch.setattr(long_sequences, "CHUNK_STEPS", 8)

    chunks = Predictor(trained.folder).predict(x).probabilities

    np.testing.assert_allclose(chunks, whole, rtol=1e-5)


def test_the_result_has_the_scores_of_the_ensemble_and_of_each_member(
    trained: SimpleNamespace,
) -> None:
    record = trained.record

    assert record["state"] == "done"
    assert sum(map(sum, record["confusion"])) == 12
    right = sum(record["confusion"][i][i] for i in range(3))
    assert record["scores"]["test/accuracy"] == pytest.approx(right / 12)
    assert [member["model"] for member in record["members"]] == ["GRU", "LSTM", "GRU"]
    assert all(0 <= member["scores"]["test/accuracy"] <= 1 for member in record["members"])
    assert record["num_parameters"] == sum(m["num_parameters"] for m in record["members"])
    assert trained.folder.result().to_json() == record


def test_evaluate_repeats_the_scores_of_the_run(trained: SimpleNamespace) -> None:
    again = experiment.evaluate(trained.folder.config(), trained.folder)

    assert again["confusion"] == trained.record["confusion"]
    for name, score in again["scores"].items():
        assert score == pytest.approx(trained.record["scores"][name])


def test_a_compound_run_is_one_run(trained: SimpleNamespace) -> None:
    root = trained.folder.path.parent
    ours = [f.path for f in find_runs(root) if trained.folder.path in (f.path, *f.path.parents)]

    assert ours == [trained.folder.path]
    assert [f.name for f in find_runs(trained.folder.members[1].path)] == ["member-2"]
    assert find_run("latest", root=trained.folder.path).path == trained.folder.path


def test_runs_below_a_config_file_of_something_else_are_found(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("files: []")
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / "config.yaml").write_text("seed: 1")

    assert RunFolder(tmp_path / "outputs").path in [folder.path for folder in find_runs(tmp_path)]


@pytest.mark.parametrize("members", ["2", "[gru,minirocket]"])
def test_data_is_loaded_once_and_forgotten_afterwards(
    members: str, train_in: Callable[..., SimpleNamespace], monkeypatch: pytest.MonkeyPatch
) -> None:
    from unrolled.building import data

    loads = []
    before = dict(data._shared_data), dict(data._shared_sources)
    load = Random.load
    monkeypatch.setattr(Random, "load", lambda self: loads.append(1) or load(self))

    train_in(*TINY, *CHANNELS, f"ensemble={members}", "trainer.max_epochs=1")

    assert len(loads) == 1
    assert (data._shared_data, data._shared_sources) == before


@pytest.fixture(scope="module")
def mixed(train_in: Callable[..., SimpleNamespace]) -> SimpleNamespace:
    """MiniRocket between two GRUs that read more channels than it. Only to be read."""
    return train_in(*TINY, *CHANNELS, "ensemble=[gru,minirocket,gru]")


def test_minirocket_is_a_member_that_reads_the_features_without_channels(
    mixed: SimpleNamespace, train_in: Callable[..., SimpleNamespace]
) -> None:
    _, member, _ = mixed.folder.members
    seed = f"seed={member_seed(1, 2)}"
    alone = train_in(*MINIROCKET, seed)
    weights = alone.folder.best_state_dict()

    assert mixed.folder.members[0].preprocessing()["num_features"] == 12
    assert member.preprocessing() == alone.folder.preprocessing()
    assert all(torch.equal(weights[name], w) for name, w in member.best_state_dict().items())
    assert mixed.record["members"][1]["scores"] == alone.record["scores"]
    assert mixed.record["members"][1]["model"] == "MiniRocket"


def test_members_with_other_channels_are_averaged_sequence_by_sequence(
    mixed: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = load_data(compose(*TINY))
    raw = data.load_source().test
    monkeypatch.setattr(long_sequences, "LONG_STEPS", 2)  # nothing may run in chunks
    alone = [Predictor(member).predict(raw.x).probabilities for member in mixed.folder.members]

    together = Predictor(mixed.folder).predict(raw.x).probabilities

    np.testing.assert_allclose(together, np.mean(alone, axis=0), rtol=1e-5)
    right = (together.argmax(axis=1) == raw.y.numpy()).mean()
    assert mixed.record["scores"]["test/accuracy"] == pytest.approx(right)
    again = experiment.evaluate(mixed.folder.config(), mixed.folder)["scores"]
    assert again == pytest.approx({name: mixed.record["scores"][name] for name in again})


def test_a_member_that_was_not_fitted_yet_is_fitted_on_resume(
    mixed: SimpleNamespace, tmp_path: Path
) -> None:
    folder = RunFolder(shutil.copytree(mixed.folder.path, tmp_path / "run"))
    member = folder.members[1]
    before = member.best_state_dict()
    for name in ("result.json", "checkpoints/best.ckpt", "preprocessing.json"):
        (member.path / name).unlink()
    assert not folder.is_trained

    result = experiment.resume(folder.config(), folder, overrides=[])

    assert result.scores == pytest.approx(mixed.record["scores"])
    assert all(torch.equal(before[name], w) for name, w in member.best_state_dict().items())


def test_folds_of_a_mixed_ensemble_hold_out_each_sequence_once(
    train_in: Callable[..., SimpleNamespace],
) -> None:
    made = train_in(
        *(*TINY, *CHANNELS, "ensemble=[gru,minirocket]", "trainer.max_epochs=1"),
        *("data.test_fold=all", "data.num_folds=2", "data.refit=false"),
    )

    assert made.record["cross_validation"]["num_sequences"] == 24


def test_a_single_minirocket_run_is_fitted_scored_and_complete(
    train_in: Callable[..., SimpleNamespace],
) -> None:
    made = train_in(*MINIROCKET)
    longer = made.folder.config()
    longer.trainer.max_epochs = 9

    assert made.record["best"]["value"] == made.record["scores"]["val/loss"]
    assert made.record["num_steps"] == 0
    assert not is_longer(made.folder.config(), longer)
    again = experiment.evaluate(made.folder.config(), made.folder)["scores"]
    assert again == {name: made.record["scores"][name] for name in again}
    assert experiment.resume(longer, made.folder, overrides=[]).scores == made.record["scores"]


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("init_from=outputs/x", "init_from=outputs/x"),
        ("data.differences=true", "data.differences=true: MiniRocket reads"),
    ],
)
def test_settings_that_minirocket_cannot_use_are_refused(setting: str, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        check_config(compose("model=minirocket", setting))


def test_minirocket_leaves_out_the_parts_of_the_recipe_that_it_cannot_use() -> None:
    config = compose("data=files", "data.path=x.csv", "model=minirocket")  # recipe=small
    check_config(config)
    check_effects(config, ["data=files", "model=minirocket"])
    assert not any(config.data[name] for name in checks.CHANNELS)
    assert compose("data=files", "data.path=x.csv").data.per_sequence
    with pytest.raises(ConfigError, match="stem=conv would have no effect"):
        check_effects(config, ["stem=conv"])


def test_minirocket_runs_that_differ_in_their_seed_only_are_one_setting(
    train_in: Callable[..., SimpleNamespace],
) -> None:
    runs = [read_run(train_in(*MINIROCKET, f"seed={seed}").folder) for seed in (1, 2)]

    assert runs[0].setting == runs[1].setting
    weights = [RunFolder(one.path).best_state_dict()["network.biases"] for one in runs]
    assert not torch.equal(*weights)


def test_one_training_sequence_is_too_few_for_minirocket(
    train_in: Callable[..., SimpleNamespace],
) -> None:
    with pytest.raises(DataError, match="1 sequence; MiniRocket needs at least 2"):
        train_in("data=random", "data.source.num_train=1", "model=minirocket")


def test_a_member_that_fails_is_named(train_in: Callable[..., SimpleNamespace]) -> None:
    with pytest.raises(NotFiniteError, match=r"^member-1: "):
        train_in(*TINY, "ensemble=2", "optimizer.lr=1e30", "trainer.gradient_clip_val=null")


def test_settings_of_the_model_apply_to_each_model_that_is_named() -> None:
    overrides = ["ensemble=[gru,lstm]", "model.num_layers=2"]

    parts = part_configs(compose(*overrides), overrides=overrides)

    assert [part.model.num_layers for part in parts.values()] == [2, 2]
    assert [part.optimizer.lr for part in parts.values()] == [
        compose(f"model={name}").optimizer.lr for name in ("gru", "lstm")
    ]


def test_unknown_models_and_several_devices_are_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"

    assert run(["train", "ensemble=[gru,lsdm]", f"hydra.run.dir={folder}"]) == ConfigError.exit_code
    assert "did you mean 'lstm'?" in capsys.readouterr().err
    assert run(["train", "ensemble=2", "trainer.devices=2", f"hydra.run.dir={folder}"]) == 2
    assert not folder.exists()


def test_weights_of_an_ensemble_are_no_start_of_another_run(
    trained: SimpleNamespace, train_in: Callable[..., SimpleNamespace]
) -> None:
    with pytest.raises(CheckpointError, match="member-1"):
        train_in(*TINY, f"init_from={trained.folder.path}")


def test_the_command_line_prints_the_ensemble_and_the_range_of_its_members(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"

    assert run(["train", *TINY, "ensemble=2", "trainer=cpu", f"hydra.run.dir={folder}"]) == 0

    output = capsys.readouterr().out
    assert "test accuracy of the 2 members alone: mean 0." in output
    assert RunFolder(folder).is_trained
    assert run(["list", f"root={tmp_path}"]) == 0
    assert "2 x LSTM" in capsys.readouterr().out
