"""A search asks Optuna, tells it, goes on where it was, and never reads test."""

import json

import pytest
import yaml

optuna = pytest.importorskip("optuna")

from unrolled.errors import ConfigError  # noqa: E402
from unrolled.sweeps.optuna_sweeper import distribution  # noqa: E402
from unrolled.sweeps.search import best_overrides, open_study  # noqa: E402

pytestmark = pytest.mark.usefixtures("undrawn_pages")

SEARCH = (
    "sweep=optuna",
    "search@sweep.space=rate",
    "sweep.num_trials=4",
    "sweep.startup_trials=2",
    "model.hidden_size=4,6",
)


def trials(sweep):
    with open_study(sweep.folder, pruner=optuna.pruners.NopPruner()) as study:
        return study.trials


@pytest.fixture(scope="module")
def search(server, tmp_path_factory):
    """A search of four trials, and the start of it that ended it. Only to be read."""
    from .conftest import Sweep

    sweep = Sweep(server, tmp_path_factory.mktemp("search"), SEARCH)
    assert sweep.go() == 0, sweep.output
    return sweep


def test_every_trial_is_a_run_that_optuna_knows_the_value_of(search):
    values = {f"trial-{trial.number}": trial.value for trial in trials(search)}

    assert values == {
        path.parent.name: json.loads(path.read_text())["best"]["value"]
        for path in search.folder.glob("*/result.json")
    }
    assert len(values) == 4


def test_test_is_never_read(search):
    results = [json.loads(path.read_text()) for path in search.folder.glob("*/result.json")]

    assert not [name for result in results for name in result["scores"] if "test" in name]
    assert "test/" not in (search.folder / "sweep.csv").read_text()


def test_the_best_is_written_down_and_can_be_confirmed(search, new_sweep):
    best = yaml.safe_load((search.folder / "best.yaml").read_text())
    values = [trial.value for trial in trials(search)]
    assert best["value"] == min(values)
    assert f"best: trial-{values.index(min(values))}, " in search.output, "the folder's name"

    confirmed = new_sweep(f"from={search.folder}/best.yaml")
    place = f"hydra.sweep.dir={confirmed.folder}"
    arguments = ["train", "-m", *confirmed.overrides, "seed=5", place]
    assert confirmed.wait(confirmed.start(arguments)) == 0, confirmed.output

    assert confirmed.results.keys() == {5}
    config = yaml.safe_load((confirmed.results[5]["folder"] / "config.yaml").read_text())
    chosen = dict(word.split("=", 1) for word in best["overrides"])
    assert config["optimizer"]["lr"] == float(chosen["optimizer.lr"])
    assert "test/accuracy" in confirmed.results[5]["scores"]


def test_same_command_adds_only_trials_that_are_missing(search, new_sweep):
    sweep = new_sweep(*SEARCH)
    stop = {"at": "batch_end", "batch": 2, "do": "SIGKILL"}
    two = ("hydra.launcher.jobs_at_once=1", "sweep.num_trials=2")
    assert sweep.go(*two) == 0, sweep.output
    assert sweep.go("hydra.launcher.jobs_at_once=1", faults=[stop]) == 0, "failed trials are told"
    states = [trial.state.name for trial in trials(sweep)]
    assert states == ["COMPLETE", "COMPLETE", "FAIL", "FAIL"]
    assert sweep.go("sweep.num_trials=5", "hydra.launcher.jobs_at_once=1") == 0

    assert [trial.state.name for trial in trials(sweep)][2:] == ["FAIL", "FAIL", "COMPLETE"]
    first = [trial.params for trial in trials(search)][:2]
    assert [trial.params for trial in trials(sweep)][:2] == first, "a function of (seed, trial)"


def test_trial_that_does_badly_is_given_up(new_sweep):
    sweep = new_sweep(
        "sweep=optuna",
        "search@sweep.space=rate",
        "trainer.max_epochs=3",
        "sweep.num_trials=4",
        "callbacks.pruning.startup_trials=1",
        "callbacks.pruning.warmup_epochs=1",
        "hydra.launcher.jobs_at_once=1",
    )

    assert sweep.go() == 0, sweep.output

    given_up = [trial for trial in trials(sweep) if trial.state.name == "PRUNED"]
    assert given_up
    for trial in given_up:
        result = json.loads((sweep.folder / f"trial-{trial.number}" / "result.json").read_text())
        assert result["num_epochs"] == len(trial.intermediate_values) < 3
        assert result["stopped_by"] == "pruned"


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["seed=1,2"], "seed=1,2: a search compares settings"),
        (["test=true"], "a search reads val only"),
        (["model.hiden_size=4,6"], "did you mean 'model.hidden_size'"),
        (["optimizer.lr=interval(1,0)"], "need a < b"),
        (["monitor.metric=test/accuracy"], "monitor.metric"),
    ],
)
def test_what_cannot_be_searched_is_refused(new_sweep, words, hint):
    sweep = new_sweep("sweep=optuna", "search@sweep.space=rate", *words)

    assert sweep.go() == 2, sweep.output
    assert hint in sweep.output
    assert sweep.steps == []


def test_another_search_in_the_same_folder_is_refused(search):
    place = f"hydra.sweep.dir={search.folder}"
    arguments = ["train", "-m", "sweep=optuna", "search@sweep.space=rate", "head=mean", place]

    assert search.wait(search.start(arguments)) == 2
    assert "holds another search" in search.output


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("choice(1,2)", optuna.distributions.CategoricalDistribution(("1", "2"))),
        ("a,b", optuna.distributions.CategoricalDistribution(("a", "b"))),
        ("range(1,4)", optuna.distributions.CategoricalDistribution(("1", "2", "3"))),
        ("int(interval(1,8))", optuna.distributions.IntDistribution(1, 8)),
        ("interval(0.0,0.5)", optuna.distributions.FloatDistribution(0.0, 0.5)),
        (
            "tag(log,interval(1e-4,1e-2))",
            optuna.distributions.FloatDistribution(1e-4, 1e-2, log=True),
        ),
    ],
)
def test_values_as_they_are_typed_become_distributions(values, expected):
    assert distribution("key", values) == expected


def test_a_file_that_is_no_best_is_refused(tmp_path):
    (tmp_path / "a.yaml").write_text("[1, 2]")

    for name in ("a.yaml", "b.yaml"):
        with pytest.raises(ConfigError, match="from="):
            best_overrides(tmp_path / name)
