"""`unrolled resume`: runs that it resumes, extends and refuses."""

import json

import pytest
import torch
import yaml

from unrolled.runs import checkpoint_file

from .conftest import NUM_BATCHES, assert_same_run

KILL = {"at": "batch_end", "epoch": 1, "batch": 3, "do": "SIGKILL"}


@pytest.fixture(scope="module")
def killed(server, tmp_path_factory):
    from .conftest import Run

    run = Run(server, tmp_path_factory.mktemp("killed"), ())
    assert run.train(fault=KILL) == -9
    return run


@pytest.mark.acceptance("A6")
def test_a_finished_run_is_not_trained_again(uninterrupted):
    run = uninterrupted()
    before = run.result
    num_lines = len(run.output.splitlines())
    assert run.resume() == 0
    output = run.output.splitlines()[num_lines:]
    assert output[0] == f"already complete: 4 epochs, {4 * NUM_BATCHES} steps"
    assert f"{before['scores']['test/accuracy']:.4f}" in "".join(output)
    assert output[-1] == f"run: {run.folder}"
    assert run.result == before


OTHER = {
    "optimizer.lr=0.5": "optimizer.lr: 0.003 -> 0.5",
    "data.batch_size=4": "data.batch_size: 8 -> 4",
    "model.hidden_size=7": "model.hidden_size: 6 -> 7",
    "seed=2": "seed: 1 -> 2",
    "optimizer._target_=torch.optim.SGD": "torch.optim.AdamW -> torch.optim.SGD",
    "callbacks.early_stopping.patience=1": "patience: 20 -> 1",
}


def refused(run, overrides):
    num_steps, num_lines = len(run.steps), len(run.output.splitlines())
    assert run.resume(*overrides) == 4
    assert len(run.steps) == num_steps
    message = run.output.splitlines()[num_lines:]
    for override in overrides:
        assert any(OTHER[override] in line for line in message), message


@pytest.mark.acceptance("A5")
def test_each_changed_setting_is_named(killed):
    refused(killed, list(OTHER))


@pytest.mark.slow
@pytest.mark.parametrize("override", OTHER)
def test_a_single_changed_setting_is_refused(killed, override):
    refused(killed, [override])


def test_an_edited_config_is_refused(killed):
    path = killed.folder / "config.yaml"
    text = path.read_text()
    path.write_text(text.replace("dropout: 0.4", "dropout: 0.5"))
    try:
        assert killed.resume() == 4
    finally:
        path.write_text(text)
    assert "model.dropout: 0.4 -> 0.5" in killed.output


def test_changed_data_is_refused(killed):
    num_steps = len(killed.steps)
    assert killed.resume(other_data=True) == 4
    assert "data_fingerprint: " in killed.output
    assert len(killed.steps) == num_steps


def test_misspelled_keys_and_whole_groups_are_config_errors(killed):
    assert killed.resume("trainer.max_epoch=4") == 2
    assert killed.resume("trainer=gpu") == 2
    assert "resume takes single keys" in killed.output
    assert killed.resume("~callbacks.early_stopping") == 2


@pytest.mark.acceptance("A5")
def test_a_longer_run_resumes_and_logs_the_new_schedule(new_run):
    run = new_run("trainer.max_epochs=2")
    assert run.train() == 0
    assert run.resume("trainer.max_epochs=4", "logger=none") == 0, run.output
    assert "the learning rate changes from 0 to " in run.output
    assert run.result["num_epochs"] == 4
    assert yaml.safe_load((run.folder / "config.yaml").read_text())["trainer"]["max_epochs"] == 4
    provenance = json.loads((run.folder / "provenance.json").read_text())
    assert "trainer.max_epochs=2" in provenance["overrides"]
    assert [part["overrides"] for part in provenance["resumed"]] == [
        ["trainer.max_epochs=4", "logger=none"]
    ]
    assert [step[:2] for step in run.steps] == [(e, b) for e in range(4) for b in range(7)]


@pytest.mark.slow
def test_a_run_with_a_longer_max_time_resumes(new_run):
    run = new_run("trainer.max_time=00:10:00:00")
    late = {"at": "batch_end", "epoch": 2, "batch": 2, "do": "let_ten_hours_pass"}
    assert run.train(fault=late, first=True) == 0
    assert run.result["num_steps"] < 4 * NUM_BATCHES
    assert run.resume("trainer.max_time=00:20:00:00") == 0, run.output
    assert run.result["num_epochs"] == 4


@pytest.mark.slow
def test_a_longer_run_without_a_schedule_equals_a_run_of_that_length(new_run, uninterrupted):
    reference = uninterrupted("scheduler=none")
    run = new_run("scheduler=none")
    assert run.train("trainer.max_epochs=2") == 0
    assert run.resume("trainer.max_epochs=4") == 0, run.output
    assert_same_run(run, reference)


@pytest.mark.parametrize(
    "kill",
    [
        {"at": "epoch_end", "epoch": 2},
        pytest.param({"at": "batch_end", "epoch": 1}, marks=pytest.mark.slow),
    ],
)
def test_early_stopping_is_restored(new_run, uninterrupted, kill):
    settings = ("callbacks.early_stopping.patience=2", "trainer.max_epochs=12", "recipe.lr=1e-9")
    reference = uninterrupted(*settings)
    assert reference.result["num_epochs"] == 3
    run = new_run(*settings)
    assert run.train(fault={**kill, "do": "SIGKILL"}, first=kill["at"] != "epoch_end") == -9
    assert run.resume() == 0, run.output
    assert_same_run(run, reference)
    assert run.resume("trainer.max_epochs=20") == 0
    assert "early stopping ended this run" in run.output
    assert run.result["num_epochs"] == 3


def test_init_from_loads_the_best_weights_only(new_run, uninterrupted):
    other = uninterrupted()
    run = new_run(f"init_from={other.folder}", "recipe.lr=1e-30", "trainer.max_epochs=1")
    assert run.train() == 0, run.output
    weights = other.checkpoint("best")["state_dict"]
    found = run.checkpoint("last")["state_dict"]
    assert all(torch.allclose(weights[name], found[name]) for name in weights)
    assert yaml.safe_load((run.folder / "config.yaml").read_text())["init_from"] == str(
        other.folder
    )


def test_init_from_a_run_with_other_classes_gets_a_new_head(new_run, uninterrupted):
    other = uninterrupted()
    run = new_run(f"init_from={other.folder}", "recipe.lr=1e-30", "trainer.max_epochs=1")
    assert run.train("data.source.num_classes=5") == 0, run.output
    weights = other.checkpoint("best")["state_dict"]
    found = run.checkpoint("last")["state_dict"]
    same = {name for name in weights if weights[name].shape == found[name].shape}
    assert {name for name in weights if "head" in name} == weights.keys() - same
    assert all(torch.allclose(weights[name], found[name]) for name in same)
    assert run.output.count("; it has other classes, so the head is new") == 1


@pytest.mark.slow
def test_init_from_another_model_is_refused(new_run, uninterrupted):
    run = new_run(f"init_from={uninterrupted().folder}")
    assert run.train("model.hidden_size=5") == 4
    assert "size mismatch" in run.output


@pytest.mark.acceptance("A14")
def test_every_finished_run_has_a_finite_checkpoint_and_a_result(uninterrupted):
    run = uninterrupted()
    assert run.result["exit_code"] == 0
    assert run.result["best"]["value"] is not None
    for name in ("best", "last"):
        state = checkpoint_file.load(run.folder / f"checkpoints/{name}.ckpt")
        assert all(torch.isfinite(weight).all() for weight in state["state_dict"].values())


@pytest.mark.acceptance("A26")
def test_the_stack_of_a_hanging_step_is_printed(new_run):
    run = new_run("callbacks.watchdog.minutes=0.005")
    hang = {"at": "batch_end", "epoch": 0, "batch": 2, "do": "hang_until_reported"}
    assert run.train(fault=hang) == 0
    assert "Timeout (0:00:00.3" in run.output
