"""A model of your own: its file in the working folder, its package, plugins and sweeps."""

import pickle
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hydra._internal.hydra import Hydra
from omegaconf import DictConfig

import unrolled
from conftest import compose
from unrolled.building.network import build_network
from unrolled.cli import run
from unrolled.commands import train as train_command
from unrolled.config.checks import check_config
from unrolled.config.classes import allowing
from unrolled.config.composition import compose_job, options_from, without_hydra
from unrolled.config.compound import part_configs
from unrolled.errors import ConfigError
from unrolled.runs import own_packages
from unrolled.runs.run_folder import RunFolder
from unrolled.sweeps import jobs

CELL = """
import torch
from torch import nn

class MyCell(nn.Module):
    def __init__(self, input_size, hidden_size, initialization="uniform", layer=1):
        super().__init__()
        self.gru = nn.GRU(input_size, hidden_size, batch_first=True)

    def forward(self, x, state=None):
        hidden, after = self.gru(x, None if state is None else state[None])
        return hidden, after[0]
"""
SHORT = ("debug=fast", "logger=none", "data.batch_size=8")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder with own_cells.py and my_cell.yaml."""
    (tmp_path / "own_cells.py").write_text(CELL)
    (tmp_path / "my_cell.yaml").write_text("_target_: own_cells.MyCell\nhidden_size: 4\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    own_packages.hash_of.cache_clear()
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("own_"):
            del sys.modules[name]


def composed(*overrides: str) -> DictConfig:
    return without_hydra(compose_job(list(overrides))[0])


def test_a_model_of_the_working_folder_trains_predicts_and_is_recorded(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["train", "model=my_cell", "allow=own_cells", *SHORT]) == 0
    (path,) = (place / "outputs/debug/digits/my_cell").iterdir()
    folder = RunFolder(path)

    config = folder.config().model
    assert (config._target_, config.hidden_size) == ("own_cells.MyCell", 4)
    assert config.recipe == {"lr": 1e-3, "weight_decay": 0.01, "gradient_clip_val": 1.0}
    assert folder.provenance()["own_packages"].keys() == {"own_cells"}
    predictor = unrolled.load(path, allow=["own_cells"])
    long = np.zeros((5000, 8))  # in chunks, with the state of the module
    assert predictor.run.runs_in_chunks
    assert len(predictor.predict([long, long[:3]]).labels) == 2
    assert "has been edited" not in "".join(capsys.readouterr())
    (place / "own_cells.py").write_text(f"{CELL}# edited")
    own_packages.hash_of.cache_clear()  # as in a new process
    assert run(["evaluate", f"run={path}", "allow=own_cells"]) == 0
    assert "own_cells has been edited since the run was started" in "".join(capsys.readouterr())
    assert run(["resume", f"run={path}", "allow=own_cells"]) == 0
    capsys.readouterr()
    for command in ("evaluate", "resume"):
        assert run([command, f"run={path}"]) == 2
        assert "allow=own_cells" in capsys.readouterr().err


def test_a_package_of_the_working_folder_hides_no_installed_one(place: Path) -> None:
    (place / "numpy.py").write_text("raise ValueError")

    with allowing(["own_cells", "numpy"]):
        pass

    assert sys.path[-1] == str(place)
    assert "own_cells" not in sys.modules


def test_a_package_that_does_not_exist_is_reported(place: Path) -> None:
    with (
        pytest.raises(ConfigError, match="allow=own_cels: there is no such package"),
        allowing(["own_cels"]),
    ):
        pass


def test_the_rules_of_built_in_settings_do_not_apply_to_a_class_of_your_own(place: Path) -> None:
    (place / "my_cell.yaml").write_text(
        "_target_: own_cells.MyCell\nhidden_size: 4\ninitialization: mine\nlayer: 2\n"
    )
    with allowing(["own_cells"]):
        check_config(composed("model=my_cell"))
        with pytest.raises(ConfigError, match=r"model\.recipe\.lr=-1: need"):
            check_config(composed("model=my_cell", "model.recipe.lr=-1"))


def test_a_file_with_the_name_of_a_chosen_built_in_option_is_refused(place: Path) -> None:
    (place / "gru.yaml").write_text("_target_: own_cells.MyCell\n")

    with pytest.raises(ConfigError, match=r"gru\.yaml: model=gru is a built-in option"):
        composed("model=gru")
    composed("model=lstm")


def test_an_unknown_model_is_reported_with_the_options_of_the_working_folder(place: Path) -> None:
    with pytest.raises(ConfigError, match=r"model=my_cel: .* did you mean 'my_cell'"):
        composed("model=my_cel")


def test_an_ensemble_finds_models_of_the_options_folder(place: Path) -> None:
    (place / "options/model").mkdir(parents=True)
    (place / "my_cell.yaml").rename(place / "options/model/other_cell.yaml")

    with options_from("options"):
        config = composed("ensemble=[gru,other_cell]")
        parts = part_configs(config, overrides=[])

    assert parts["member-2"].model._target_ == "own_cells.MyCell"
    with pytest.raises(ConfigError, match="other_cell"):
        part_configs(config, overrides=[])


@pytest.mark.parametrize("budget", ["1k", "2k"])
def test_a_model_of_your_own_is_as_large_as_its_budget_allows(place: Path, budget: str) -> None:
    with (place / "my_cell.yaml").open("a") as file:
        file.write(f"parameter_budget: {budget}\n")

    with allowing(["own_cells"]):
        network = build_network(
            composed("model=my_cell"), num_features=3, num_steps=4, num_classes=2
        )

    size = network.encoder.output_size
    allowed = 1000 * int(budget[0])
    assert 3 * size * (size + 5) + 2 * size + 2 <= allowed < 3 * (size + 1) * (size + 6)


def test_a_budget_without_a_hidden_size_is_refused(place: Path) -> None:
    (place / "my_cell.yaml").write_text("_target_: own_cells.MyCell\nparameter_budget: 1k\n")
    with allowing(["own_cells"]), pytest.raises(ConfigError, match="no setting hidden_size"):
        build_network(composed("model=my_cell"), num_features=3, num_steps=4, num_classes=2)


# sweeps


def test_a_worker_of_a_sweep_gets_what_the_command_allows(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "options").mkdir()
    sent = []
    monkeypatch.setattr(Hydra, "multirun", lambda hydra, name, job, words: sent.append(job))

    assert run(["train", "-m", "seed=1,2", "allow=own_cells", "--config-dir=options"]) == 0

    job = pickle.loads(pickle.dumps(sent[0]))
    assert job.func is train_command.sweep_job
    assert job.keywords == {
        "allow": ("own_cells",),
        "config_dir": str(place / "options"),
        "path": [str(place)],
    }


def test_a_job_of_a_sweep_is_repeated_if_its_own_package_has_been_edited(place: Path) -> None:
    own, other = compose("model._target_=own_cells.MyCell"), compose()
    with allowing(["own_cells"]):
        before = {"own_packages": own_packages.own_packages()}
        assert jobs.is_edited(own, before) is False
        with (place / "own_cells.py").open("a") as file:
            file.write("# edited\n")
        own_packages.hash_of.cache_clear()  # as in a new process
        assert jobs.is_edited(own, before) is True
        assert jobs.is_edited(other, before) is False


def test_a_package_without_files_has_no_hash() -> None:
    assert own_packages.hash_of("sys") == own_packages.hash_of("os") == ""  # os is frozen


# plugins


@pytest.fixture
def plugin(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installed package that offers classes and a folder of options."""
    site = tmp_path_factory.mktemp("site")
    package = site / "own_plugin"
    (package / "conf/model").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "cells.py").write_text(
        CELL.replace("hidden_size,", "hidden_size, size=3, function=len,")
    )
    (package / "conf/model/plugin_option.yaml").write_text(
        "defaults: [_stacked, _self_]\nlayer: {_target_: own_plugin.cells.L, _partial_: true}\n"
    )
    info = site / "own_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-plugin\nVersion: 1.0\n")
    (info / "RECORD").write_text("own_plugin/conf/model/plugin_option.yaml,,\n")
    (info / "entry_points.txt").write_text(
        "[unrolled.plugins]\nown_plugin = own_plugin.conf\nplugin_cell = own_plugin.cells:MyCell\n"
    )
    sys.path.append(str(site))
    return site


def test_an_installed_package_offers_options_once_it_is_allowed(plugin: Path) -> None:
    with allowing(["own_plugin"]):
        chosen = composed("model=plugin_cell", "model.hidden_size=6")
        assert chosen.model == {
            "_target_": "own_plugin.cells.MyCell",
            "hidden_size": 6,
            "size": 3,
            "initialization": "uniform",
            "layer": 1,
            "recipe": {"lr": 1e-3, "weight_decay": 0.01, "gradient_clip_val": 1.0},
        }
        check_config(chosen)
        with pytest.raises(ConfigError, match=r"model\.hidden_size: need a value"):
            check_config(composed("model=plugin_cell"))
        assert composed("model=plugin_option").model.num_layers == 1
        assert composed("data=plugin_cell").data.source._target_ == "own_plugin.cells.MyCell"
        callbacks = composed("callbacks=[default,plugin_cell]").callbacks
        assert {"progress", "plugin_cell"} <= callbacks.keys()


@pytest.mark.parametrize("option", ["plugin_cell", "plugin_option"])
def test_nothing_of_an_installed_package_is_imported_unless_it_is_allowed(
    option: str, plugin: Path
) -> None:
    with pytest.raises(ConfigError, match=f"model={option}: .* needs allow=own_plugin"):
        composed(f"model={option}")
    with pytest.raises(ConfigError, match=r"own_plugin\.conf needs allow=own_plugin"):
        composed("hydra.searchpath=[pkg://own_plugin.conf]")

    assert not [name for name in sys.modules if name.startswith("own_plugin")]


# unrolled check


def test_check_passes_for_a_module_that_obeys_and_fails_for_one_that_does_not(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["check", "model=my_cell", "allow=own_cells"]) == 0
    assert capsys.readouterr().out.count("passed") == 14
    (place / "own_more.py").write_text(
        CELL.replace("batch_first=True)", "batch_first=True, bidirectional=True)")
        .replace(", state=None", "")
        .replace("return hidden, after[0]", "return hidden")
        .replace("None if state is None else state[None]", "None")
    )
    (place / "my_cell.yaml").write_text("_target_: own_more.MyCell\nhidden_size: 4\n")

    assert run(["check", "model=my_cell", "allow=own_more"]) == 1

    output = capsys.readouterr()
    assert "error: 4 of 14 checks failed: padding reaches no real step, " in output.err
    assert output.out.count("skipped") == 3
    assert not (place / "outputs").exists()


WRONG = {
    "an unknown key": ("hidden_size: 4\nwidth: 3\n", "the constructor has no parameter width"),
    "a missing key": ("", "the config has no value for hidden_size"),
}


@pytest.mark.parametrize(("keys", "message"), WRONG.values(), ids=list(WRONG))
def test_check_compares_the_config_with_the_constructor(
    keys: str, message: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "my_cell.yaml").write_text(f"_target_: own_cells.MyCell\n{keys}")

    assert run(["check", "model=my_cell", "allow=own_cells"]) == 1

    assert message in capsys.readouterr().out


def test_check_of_a_model_without_a_network_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["check", "model=minirocket"]) == 2
    assert "check one network at a time" in capsys.readouterr().err
