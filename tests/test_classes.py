"""The classes that a config can name, from the command line, a file or a run folder."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from conftest import compose
from unrolled.building.instantiation import get_object
from unrolled.cli import run
from unrolled.config.checks import check_config
from unrolled.config.classes import KINDS, allowing, classes_of
from unrolled.config.composition import compose_config
from unrolled.errors import ConfigError, UnrolledError
from unrolled.prediction.predictor import Predictor
from unrolled.runs import manifest
from unrolled.runs.run_folder import RunFolder

OPTIONAL = ("lightning.pytorch.loggers.MLFlowLogger", "lightning.pytorch.loggers.WandbLogger")


@pytest.mark.parametrize("key", KINDS)
def test_each_class_is_derived_from_a_base_of_some_node_of_its_groups(key: str) -> None:
    """An option of model names two classes: one for the node itself, and one for its layer."""
    groups = KINDS[key].groups
    bases = tuple(
        get_object(base) for kind in KINDS.values() if kind.groups == groups for base in kind.bases
    )
    for name in classes_of(KINDS[key]):
        assert issubclass(get_object(name), bases), name


HOSTILE: dict[str, Any] = {
    "a function of a library": ("data.source._target_", "torch.load"),
    "a function of ours": ("model._target_", "unrolled.runs.durable.write_text"),
    "a list": ("data.source._target_", [1, "a"]),
    "a class of another kind": ("optimizer._target_", "torch.nn.Linear"),
    "in a list": ("model.hidden_size", [{"_target_": "shutil.copy"}]),
    "in an argument": ("data.window", {"_target_": "torch.hub._load_local"}),
    "as a strategy": ("trainer.strategy", {"_target_": "unrolled.runs.provenance._run"}),
    "below a callback": ("callbacks.progress.style", {"_target_": "os.system"}),
    "at the top": ("surprise", {"_target_": "os.system"}),
}


@pytest.mark.parametrize(("key", "value"), HOSTILE.values(), ids=list(HOSTILE))
@pytest.mark.acceptance("A29")
def test_a_config_cannot_name_other_classes(key: str, value: Any) -> None:
    config = compose()
    OmegaConf.update(config, key, value, force_add=True)

    with pytest.raises(ConfigError, match=re.escape(key.removesuffix("._target_"))):
        check_config(config)


@pytest.mark.parametrize(
    ("key", "value"),
    [HOSTILE[name] for name in HOSTILE if HOSTILE[name][0].split(".")[0] in ("model", "data")],
)
@pytest.mark.acceptance("A29")
def test_a_run_folder_cannot_name_other_classes(
    key: str, value: Any, tiny_run: Any, tmp_path: Path
) -> None:
    shutil.copytree(tiny_run.folder.path, tmp_path / "run")
    folder = RunFolder(tmp_path / "run")
    config = folder.config()
    OmegaConf.update(config, key, value, force_add=True)
    folder.write_config(config)
    manifest.write(folder)  # as its author would

    with pytest.raises(UnrolledError, match=r"_target_|need"):
        Predictor(folder)


HYDRA = {
    "a callback": ("hydra.callbacks.mine._target_", "os.system"),
    "a launcher": ("hydra.launcher._target_", "os.system"),
    "a handler": ("hydra.job_logging.handlers.file.class", "logging.handlers.HTTPHandler"),
    "a factory": ("hydra.job_logging.formatters.full.()", "os.system"),
    "a log that overwrites": ("hydra.job_logging.handlers.file.mode", "w"),
}


@pytest.mark.parametrize("how", ["run", "sweep"])
@pytest.mark.parametrize(("key", "value"), HYDRA.values(), ids=list(HYDRA))
@pytest.mark.acceptance("A29")
def test_hydra_makes_only_its_plugins_and_log_files(
    key: str,
    value: str,
    how: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "more/experiment").mkdir(parents=True)
    config = OmegaConf.create()
    OmegaConf.update(config, key, value, force_add=True)
    text = f"# @package _global_\n{OmegaConf.to_yaml(config)}"
    (tmp_path / "more/experiment/mine.yaml").write_text(text)
    flags = ["-m"] if how == "sweep" else []

    code = run(["train", *flags, "--config-dir=more", "experiment=mine"])

    assert code == 2
    assert f"{key}={value}" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["more"]


def test_a_callback_of_hydra_that_is_no_node_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"hydra\.callbacks\.mine"):
        compose_config(["+hydra.callbacks.mine=3"])


FILES = {
    "another package": ("# @package _global_\ndefaults: [files]\n", "@package _global_"),
    "another group": ("defaults: [files, {override /model: gru}]\n", "override /model"),
    "no YAML": ("path: a.csv\nlabel: kind: b\n", "mine.yaml cannot be read"),
    "no text": ("path: \0\n", "mine.yaml cannot be read"),
    "an absolute option": ("defaults: [/hydra/launcher/ray]\n", "/hydra/launcher/ray"),
}


@pytest.mark.parametrize(("text", "message"), FILES.values(), ids=list(FILES))
@pytest.mark.acceptance("A29")
def test_a_file_of_the_working_folder_sets_only_its_own_group(
    text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(text)

    with pytest.raises(ConfigError, match=re.escape(message)):
        compose_config(["data=mine"])


def test_a_package_of_the_users_own_is_allowed_for_one_command() -> None:
    config = compose(f"model._target_={__name__}.Network")

    with allowing([__name__]):
        check_config(config)
    with pytest.raises(ConfigError, match=rf"model\._target_={__name__}\.Network.* allow="):
        check_config(config)
    with pytest.raises(ConfigError, match="allow=os;ls"), allowing(["os;ls"]):
        pass
