"""Whole runs: every option trains, and the run folder is complete."""

import csv
import itertools
import json
import math
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from lightning.pytorch.callbacks import Timer
from omegaconf import OmegaConf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import unrolled
from conftest import compose, options, with_option
from unrolled.building.data import load_data
from unrolled.callbacks.tensorboard_figures import (
    Mistake,
    confusion_figure,
    drawing,
    mistakes_figure,
)
from unrolled.config import composition
from unrolled.config.values import config_hash
from unrolled.errors import CheckpointError, ConfigError, DataError
from unrolled.reports import terminal
from unrolled.runs.run_folder import RunFolder
from unrolled.training import experiment, trainer

SMALL = ("debug=fast", "data.batch_size=8")
RANDOM = np.random.default_rng(0)
NEEDS_MORE = {"mnist", "files", "ucr", "arrays", "wandb", "mlflow", "gpu"}  # data, accounts, ...


def history_of(run) -> list[dict[str, str]]:
    return list(csv.DictReader((run.folder.path / "metrics.csv").read_text().splitlines()))


def choices() -> list[tuple[str, ...]]:
    """Return the overrides of as many runs as the largest group has options.

    Each option is in at least one run, and the runs combine options of all groups.
    """
    groups = ("model", "head", "data", "optimizer", "scheduler", "recipe", "trainer", "logger")
    found = [[f"{group}={option}" for option in options(group)] for group in groups]
    usable = [[c for c in row if not any(word in c for word in NEEDS_MORE)] for row in found]
    num_runs = max(map(len, usable))
    repeated = [itertools.islice(itertools.cycle(row), num_runs) for row in usable]
    return list(zip(*repeated, strict=True))


def smaller(overrides: tuple[str, ...]) -> list[str]:
    """Return settings that make the data small, if it is generated, and MiniRocket cheap."""
    chosen = dict(word.split("=") for word in overrides)
    config = with_option("data", chosen["data"])
    sizes = [f"data.source.{name}=60" for name in ("num_train", "num_val", "num_test")]
    features = ["model.num_features=84"] if chosen["model"] == "minirocket" else []
    return [*features, *(sizes if "num_train" in config.data.source else [])]


@pytest.mark.parametrize("overrides", choices(), ids=" ".join)
def test_every_choice_trains_and_tests(overrides, train_in):
    # head=all_steps refuses sequences that are longer than its setting
    record = train_in(*SMALL, "data.max_length=40", *overrides, *smaller(overrides)).record

    assert record["state"] == "done"
    assert 0 <= record["scores"]["test/accuracy"] <= 1


@pytest.mark.parametrize("debug", options("debug"))
def test_every_debug_config_runs(debug, train_in):
    assert train_in(f"debug={debug}", "trainer.max_epochs=1").record["state"] == "done"


def test_the_profile_shows_the_longest_calls_only(train_in, caplog):
    caplog.set_level("INFO")

    train_in("debug=profile", "trainer.max_epochs=1", "trainer.profiler.max_rows=3")

    (table,) = [text for text in caplog.messages if text.startswith("profile")]
    totals = [float(line.split()[0]) for line in table.splitlines()[2:5]]
    assert totals == sorted(totals, reverse=True)
    assert re.fullmatch(r"\d+ shorter calls are not shown", table.splitlines()[5])


@pytest.mark.parametrize("debug", options("debug"))
def test_a_debug_run_has_a_folder_apart_from_other_runs(debug):
    path = composition.compose_config([f"debug={debug}"]).hydra.run._get_node("dir")

    assert str(path).startswith("outputs/debug/")


def test_overfitting_and_profiling_do_not_use_the_test_set(train_in):
    for debug in ("overfit", "profile"):
        record = train_in(f"debug={debug}", "trainer.max_epochs=1").record
        assert not [name for name in record["scores"] if name.startswith("test/")]


def test_overfitting_one_batch_reaches_train_accuracy_one(train_in):
    assert train_in("debug=overfit").record["scores"]["train/accuracy"] == 1.0


@pytest.mark.parametrize(
    ("layout", "settings"),
    [
        ("rows", ["loss.class_weights=balanced", "recipe=shared", "~callbacks.early_stopping"]),
        (
            "columns",
            ["loss.class_weights=[1,2,3,4,5,6,7,8,9,10]", "model.learn_initial_state=true"],
        ),
        (
            "pixels",
            ["data.val_size=0", "loss.label_smoothing=0.1", "trainer.gradient_clip_val=null"],
        ),
        (
            "permuted",
            [
                "data.test_size=0",
                "trainer.accumulate_grad_batches=2",
                "callbacks.early_stopping.patience=3",
            ],
        ),
    ],
    ids=["rows", "columns", "pixels", "permuted"],
)
def test_every_layout_and_every_setting_that_the_docs_offer_trains(layout, settings, train_in):
    record = train_in(*SMALL, f"data.layout={layout}", *settings).record

    assert record["state"] == "done"


def test_class_weights_of_the_wrong_length_are_refused(train_in):
    with pytest.raises(ConfigError, match="10 numbers > 0"):
        train_in(*SMALL, "loss.class_weights=[1,2]")


@pytest.mark.parametrize("setting", ["data.val_size=0", "trainer.limit_val_batches=0"])
def test_without_validation_the_last_epoch_is_the_best(setting, train_in, capsys):
    run = train_in("trainer.max_epochs=2", setting)

    assert run.record["best"]["epoch"] == 1
    assert "last epoch" in run.record["selection"]
    terminal.show_scores(run.folder.result())
    assert "best epoch: 2 of 2 (last epoch: there was no validation)" in capsys.readouterr().out


def test_early_stopping_logs_and_records_its_reason(train_in, caplog):
    caplog.set_level("INFO")
    overrides = "callbacks.early_stopping.patience=2", "optimizer.lr=1e-30"  # no improvement

    record = train_in(*SMALL, *overrides, "trainer.max_epochs=9", "test=false").record

    reason = "early stopping: val/loss has not improved for 2 epochs"
    assert record["stopped_by"] == reason
    assert f"training ended after epoch {record['num_epochs']}: {reason}" in caplog.text
    assert record["num_epochs"] < 9


def test_max_time_logs_and_records_its_reason(train_in, caplog, monkeypatch):
    caplog.set_level("INFO")
    monkeypatch.setattr(Timer, "time_elapsed", lambda timer, *_: time_until(timer))

    def time_until(timer):
        return 0 if timer.start_time() is None else 3600  # seconds: too late from the first batch

    overrides = "trainer.max_time=00:00:30:00", "trainer.max_epochs=9", "test=false"
    # head=all_steps refuses sequences that are longer than its setting
    record = train_in(*SMALL, "data.max_length=40", *overrides).record

    assert record["stopped_by"] == "trainer.max_time reached"
    assert "training ended after epoch 1: trainer.max_time reached" in caplog.text


def test_a_run_of_full_length_has_no_reason_to_stop(tiny_run):
    assert tiny_run.record["stopped_by"] is None


def test_the_best_epoch_has_the_best_validation_score(tiny_run):
    rows = history_of(tiny_run)
    history = [row for row in rows if row["val/loss"]]
    by_epoch = {int(row["epoch"]): float(row["val/loss"]) for row in history}

    best = tiny_run.record["best"]

    assert best["value"] == min(by_epoch.values())
    assert by_epoch[best["epoch"]] == best["value"]


def test_the_history_has_one_row_per_epoch(tiny_run):
    rows = history_of(tiny_run)

    history = [row for row in rows if row["train/loss"]]

    assert [row["epoch"] for row in history] == ["0", "1"]
    assert all(row["val/loss"] for row in history)


def test_a_moved_run_evaluates_to_the_same_scores(tiny_run, tmp_path):
    moved = RunFolder(shutil.copytree(tiny_run.folder.path, tmp_path / "elsewhere"))

    scores = experiment.evaluate(moved.config(), moved)["scores"]

    assert scores == {name: tiny_run.record["scores"][name] for name in scores}


def test_a_run_predicts_without_its_data(tiny_run, monkeypatch):
    monkeypatch.setattr(
        "unrolled.data.sources.digits.Digits.load", lambda self: pytest.fail("data read")
    )

    prediction = unrolled.load(tiny_run.folder.path).predict(RANDOM.random((5, 8, 8)))

    assert len(prediction.labels) == 5
    assert np.allclose(prediction.probabilities.sum(axis=1), 1)


def test_predictions_do_not_depend_on_other_sequences_in_the_batch(tiny_run):
    predictor = unrolled.load(tiny_run.folder.path)
    x = [RANDOM.random((steps, 8)) for steps in (3, 8, 1)]

    together = predictor.predict(x).probabilities
    alone = np.concatenate([predictor.predict([sequence]).probabilities for sequence in x])

    assert np.allclose(together, alone, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([], "no sequence"),
        ([np.zeros((3, 7))], "sequence 0 has shape"),
        ([np.zeros((0, 8))], "length"),
        ([np.full((2, 8), np.nan)], "not a finite number"),
    ],
)
def test_invalid_sequences_are_refused(x, message, tiny_run):
    predictor = unrolled.load(tiny_run.folder.path)

    with pytest.raises(DataError, match=message):
        predictor.predict(x)


def test_loading_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"config\.yaml"):
        unrolled.load(tmp_path)


def test_a_notebook_trains_and_loads(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)

    folder = unrolled.train(["model=gru", "debug=fast"])

    assert folder.parent.parent == tmp_path / "outputs" / "debug" / "digits"
    assert unrolled.load("latest").class_names == [str(digit) for digit in range(10)]


def test_the_config_is_resolved(tiny_run):
    assert "${" not in (tiny_run.folder.path / "config.yaml").read_text()


def test_a_secret_from_the_environment_is_in_no_file_of_the_run(train_in, monkeypatch):
    monkeypatch.setenv("MY_TOKEN", "hunter2hunter2")

    folder = train_in(*SMALL, "+data.recipe.token=${oc.env:MY_TOKEN}").folder

    files = [path for path in folder.path.rglob("*") if path.is_file()]
    assert not [path for path in files if b"hunter2" in path.read_bytes()]
    assert "${oc.env:MY_TOKEN}" in (folder.path / "config.yaml").read_text()


def test_the_hash_of_a_config_depends_only_on_settings_that_change_results():
    base = config_hash(compose())

    assert config_hash(compose("trainer.enable_progress_bar=false", "logger=none")) == base
    assert config_hash(compose("model.hidden_size=64")) != base
    assert config_hash(compose("seed=2")) != base


def test_a_failed_run_records_its_error(tmp_path):
    config = compose("data.split=stratified", "data.val_size=1438", *SMALL)
    folder = RunFolder(tmp_path / "run")

    with pytest.raises(DataError):
        experiment.train(config, folder, overrides=[])

    result = folder.result()
    assert result is not None
    assert (result.state, result.exit_code) == ("failed", 3)
    assert result.error is not None
    assert "hold out" in result.error


def test_provenance_has_versions_hardware_and_command(tiny_run):
    provenance = json.loads((tiny_run.folder.path / "provenance.json").read_text())

    assert provenance["versions"]["torch"] == torch.__version__
    assert provenance["hardware"]["num_cores"] >= 1
    assert "model.hidden_size=32" in provenance["overrides"]


def test_hparams_yaml_of_tensorboard_holds_the_config(tiny_run):
    logged = yaml.safe_load((tiny_run.folder.path / "hparams.yaml").read_text())

    assert logged == OmegaConf.to_container(tiny_run.folder.config())


def events_of(folder):
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return events


def test_tensorboard_has_charts_texts_final_scores_and_pictures(tiny_run):
    events = events_of(tiny_run.folder.path)
    tags = events.Tags()

    assert {"train/loss", "val/loss", "hp/test_accuracy", "hp/val_accuracy"} <= set(tags["scalars"])
    assert "epoch" not in tags["scalars"]  # TensorBoard would show it first
    assert {"val/confusion", "test/confusion", "test/mistakes"} <= set(tags["images"])
    curves = {f"{split}/precision_recall/9 9" for split in ("val", "test")}
    texts = {"config/text_summary", "provenance/text_summary"}
    assert {"custom_scalars__config__"} | curves | texts <= set(tags["tensors"])
    (text,) = events.Tensors("config/text_summary")
    assert b"    model:\n" in text.tensor_proto.string_val[0]
    assert not tags["graph"]


def test_tensorboard_has_a_record_of_steps_in_each_epoch(tiny_run):
    events = events_of(tiny_run.folder.path)
    num_steps = tiny_run.record["num_steps"] // 2

    rates, norms, speeds = (
        events.Scalars(f"steps/{name}")
        for name in ("learning_rate", "gradient_norm", "sequences_per_second")
    )

    assert [event.step for event in rates] == [num_steps - 1, 2 * num_steps - 1]
    assert rates[0].value > rates[1].value > 0  # cosine
    assert rates[1].value < tiny_run.config.optimizer.lr / 100
    assert all(event.value > 0 for event in (*norms, *speeds))


def test_tensorboard_has_graph_and_vectors_on_request(train_in):
    views = [f"callbacks.tensorboard_views.{name}=true" for name in ("graph", "projector")]
    run = train_in("trainer.max_steps=1", "model=identity", "test=false", *views, pictures=True)

    assert events_of(run.folder.path).Tags()["graph"]
    (vectors,) = run.folder.path.glob("*/head/tensors.tsv")
    (labels,) = run.folder.path.glob("*/head/metadata.tsv")
    rows = vectors.read_text().splitlines()
    assert {len(row.split("\t")) for row in rows} == {8}  # features
    assert len(rows) == len(labels.read_text().splitlines()) == run.record["num_sequences"]["val"]


def test_many_classes_with_long_names_are_drawn_without_a_warning(recwarn):
    names = [f"{number} {'long name ' * 30}$" for number in range(120)] + ["\u9f8d"]
    counts = torch.eye(len(names), dtype=torch.long)
    mistake = Mistake(x=torch.zeros(5, 9), label=names[0], predicted=names[-1], probability=0.2)

    with drawing():
        confusion_figure(counts, names, title="counts").canvas.draw()
        mistakes_figure([mistake], title="mistakes").canvas.draw()

    assert not recwarn.list


def test_the_tutorial_prints_its_line_starts_at_chance_and_stays_there(train_in, caplog):
    caplog.set_level("INFO")

    run = train_in("experiment=tutorial_random")

    losses = [float(loss) for loss in re.findall(r"Epoch \[\d/2\], Loss: ([\d.]+)", caplog.text)]
    assert len(losses) == 2
    assert losses[0] == pytest.approx(math.log(10), abs=0.05)
    deviation = math.sqrt(0.1 * 0.9 / 1000)
    assert run.record["scores"]["test/accuracy"] == pytest.approx(0.1, abs=3 * deviation)


def test_the_tutorial_is_torchs_own_network(train_in):
    run = train_in("experiment=tutorial_random")
    torch.manual_seed(run.config.seed)
    rnn = torch.nn.RNN(28, 128, 2, batch_first=True)
    linear = torch.nn.Linear(128, 10)

    classifier = trainer.build_classifier(
        _seeded(run.config), num_features=28, num_steps=10, num_classes=10, class_weights=None
    )

    ours = torch.cat([p.flatten() for p in classifier.parameters()])
    theirs = torch.cat([p.flatten() for p in (*rnn.parameters(), *linear.parameters())])
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_lines_of_the_tutorial_give_the_same_losses(seed, train_in):
    """Plain PyTorch with the weights and tensors of a run; `x, y` are new in each epoch."""
    run = train_in("experiment=tutorial_random", f"seed={seed}")
    batches = load_data(run.config).train_dataloader()
    torch.manual_seed(seed)
    rnn = torch.nn.RNN(28, 128, 2, batch_first=True)
    linear = torch.nn.Linear(128, 10)
    criterion = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam([*rnn.parameters(), *linear.parameters()], lr=0.01)
    losses = []
    drawn = []
    for epoch in range(2):
        batches.set_epoch(epoch)
        ((x, _, y, _),) = batches
        out, _ = rnn(x, torch.zeros(2, 100, 128))
        loss = criterion(linear(out[:, -1, :]), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        drawn.append(x)

    recorded = [float(row["train/loss"]) for row in history_of(run) if row["train/loss"]]
    assert recorded == pytest.approx(losses, abs=1e-6)
    assert not torch.equal(drawn[0].sort(dim=0).values, drawn[1].sort(dim=0).values)


def _seeded(config):
    torch.manual_seed(config.seed)
    return config


@pytest.mark.parametrize("name", options("experiment"))
def test_every_experiment_composes(name):
    config = compose(f"experiment={name}")

    assert OmegaConf.to_container(config, resolve=True)
    header = Path(__file__).parents[1].joinpath("conf", "experiment", f"{name}.yaml").read_text()
    assert re.search(rf"unrolled train (-m )?experiment={name}\b", header)
