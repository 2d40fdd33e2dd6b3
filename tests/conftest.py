"""What all tests share: checked shapes, listed options, composed configs, one finished run."""

import gc
import logging
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings
from omegaconf import DictConfig, OmegaConf, open_dict

CHECKER = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"  # int for float
SOURCE = Path(__file__).parents[1] / "src"


def modules_with_shapes() -> list[str]:
    """Return the modules that annotate the shapes of tensors.

    Only they are checked while they run. mypy checks the types of all other modules.
    """
    return [
        ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        for path in sorted((SOURCE / "unrolled").rglob("*.py"))
        if "jaxtyping" in path.read_text(encoding="utf-8")
    ]


# `pytest -n` starts processes that run the tests. The first one only distributes them.
if "PYTEST_XDIST_WORKER" in os.environ or "-n" not in sys.argv:
    # Imported before the hook below: modules that are imported while it is active do not find
    # their compiled form and are compiled again in every process.
    import lightning  # noqa: F401
    import sklearn.datasets
    import sklearn.metrics  # noqa: F401
    import torch
    import torchmetrics.classification  # noqa: F401
    from jaxtyping import install_import_hook
    from matplotlib.figure import Figure

    install_import_hook(modules_with_shapes(), CHECKER)  # before the package is imported
    torch.set_num_threads(1)

CONF = Path(__file__).parents[1] / "conf"

# A test that asks for `each_model` runs once for every file in conf/model, and so on.
GROUPS = {f"each_{group}": group for group in ("model", "head", "data", "optimizer", "scheduler")}

MNIST_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)

# As `unrolled.cli.main` does. Libraries are a million objects that are never freed, and Python
# searches them for garbage after every 700 new ones: a third of the time of composing a config.
gc.set_threshold(50_000)


def options(group: str) -> list[str]:
    """Return the options of a config group; a file that starts with `_` is a parent of others."""
    return sorted(path.stem for path in (CONF / group).glob("[!_]*.yaml"))


@cache
def _composed(overrides: tuple[str, ...]) -> bytes:
    """Return a pickled config, which is loaded seven times faster than a config is copied."""
    from unrolled.config.composition import compose_config

    config = compose_config(list(overrides))
    with open_dict(config):
        config.pop("hydra")
    return pickle.dumps(config)


def compose(*overrides: str) -> DictConfig:
    """Return the config that these overrides give, without Hydra's own node."""
    return pickle.loads(_composed(overrides))


@cache
def _option(group: str, name: str) -> DictConfig:
    """Return the keys of an option, which are those of its parents and its own."""
    node = OmegaConf.load(CONF / group / f"{name}.yaml")
    assert isinstance(node, DictConfig)
    defaults = node.pop("defaults", [])  # an override of another group has no place here
    parents = [name for name in defaults if isinstance(name, str) and name != "_self_"]
    return OmegaConf.merge(*(_option(group, parent) for parent in parents), node)


@cache
def encoders() -> list[str]:
    """Return the options of model that are encoders.

    The others, such as minirocket, are fitted without a training loop. They have no hidden states,
    no gradients and no untrained logits. tests/baselines and tests/test_ensemble.py test them.
    """
    from unrolled.config.values import is_fitted

    return [name for name in options("model") if not is_fitted(with_option("model", name))]


def with_option(group: str, name: str) -> DictConfig:
    """Return what `compose(f"{group}={name}")` returns, in a tenth of the time.

    group: one whose options set no key of another group, such as model.
    """
    config = compose()
    with open_dict(config):
        config[group] = _option(group, name)
    return config


def pytest_configure(config: pytest.Config) -> None:
    settings.register_profile("patient", deadline=None)  # no test depends on seconds
    settings.load_profile("patient")
    for unfounded in (
        # OmegaConf's own classes inherit from typing.MutableMapping
        "ignore::beartype.roar.BeartypeDecorHintPep585DeprecationWarning",
        # torchmetrics hands matplotlib a tensor
        "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning",
    ):
        config.addinivalue_line("filterwarnings", unfounded)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for argument, group in GROUPS.items():
        if argument in metafunc.fixturenames:
            metafunc.parametrize(argument, options(group))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    gc.freeze()  # what has been imported and collected stays
    folder = Path(os.environ.get("UNROLLED_DATA_DIR", "data")) / "mnist"
    missing = [name for name in MNIST_FILES if not (folder / name).is_file()]
    if not missing:
        return
    skip = pytest.mark.skip(reason=f"{', '.join(missing)} not found in {folder.absolute()}")
    for item in items:
        if item.get_closest_marker("mnist"):
            item.add_marker(skip)


@pytest.fixture(autouse=True)
def _untouched_global_state() -> Any:
    """Give every test the same start of torch's generator, and take back what a run changes."""
    torch.manual_seed(0)
    _close_logs()  # of runs that fixtures of a module or of the session made
    yield
    torch.set_num_threads(1)
    _close_logs()


def _close_logs() -> None:
    """Close the log files of runs; pytest's own log file is of a derived class."""
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if type(handler) is logging.FileHandler:
            root.removeHandler(handler)
            handler.close()


@pytest.fixture
def unrendered_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save figures as empty files: rendering takes most of the time of `unrolled inspect`."""
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **_: Path(path).touch())


@contextmanager
def pages_undrawn() -> Iterator[None]:
    """Write pages with empty pictures: rendering takes most of the time of a report."""
    from unrolled.reports.pages.figures import Figures
    from unrolled.reports.pages.page import Picture

    def saved(figures: Figures, figure: Figure, name: str, *, title: str) -> Picture:
        return Picture(name=name, title=title, width=10, svg="<svg></svg>", png=None)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figures, "_saved", saved)
        yield


@pytest.fixture
def undrawn_pages() -> Iterator[None]:
    """Write pages with empty pictures."""
    with pages_undrawn():
        yield


@pytest.fixture(scope="session")
def train_in(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., SimpleNamespace]:
    """Train with these overrides in a new folder; return config, folder and record of the run.

    pictures: whether TensorBoard gets confusion matrices, which take half the time of a tiny run.
    """

    def train(*overrides: str, pictures: bool = False) -> SimpleNamespace:
        from unrolled.runs.run_folder import RunFolder
        from unrolled.training import experiment

        config = compose("callbacks.progress.style=lines", "trainer=cpu", *overrides)
        if not pictures:
            with open_dict(config):
                config.callbacks.pop("tensorboard_views", None)
        folder = RunFolder(tmp_path_factory.mktemp("run"))
        record = experiment.train(config, folder, overrides=list(overrides)).to_json()
        return SimpleNamespace(config=config, folder=folder, record=record)

    return train


@pytest.fixture(scope="session")
def tiny_run(train_in: Callable[..., SimpleNamespace]) -> SimpleNamespace:
    """A finished run of two epochs on digits: its config, folder and record. Only to be read."""
    return train_in("trainer.max_epochs=2", "model.hidden_size=32", pictures=True)


def ragged(num: int, *, seed: int, missing: float = 0.1) -> list[np.ndarray]:
    """Return sequences (t_i, 2) that rise or fall by turns, with some values missing."""
    rng = np.random.default_rng(seed)
    sequences = []
    for number in range(num):
        steps = np.arange(rng.integers(3, 30))
        slope = 1 if number % 2 else -1
        x = np.stack([50 + slope * steps, rng.normal(size=len(steps))], axis=1)
        x[rng.random(x.shape) < missing] = np.nan
        sequences.append(x + rng.normal(size=x.shape))
    return sequences


@pytest.fixture(scope="session")
def train_ragged(
    train_in: Callable[..., SimpleNamespace], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """Train for three steps on `ragged` sequences; return the run folder. Only to be read."""
    path = tmp_path_factory.mktemp("ragged") / "data.csv"
    rows = [
        (number, step, *values, ["falls", "rises"][number % 2])
        for number, sequence in enumerate(ragged(24, seed=0))
        for step, values in enumerate(sequence)
    ]
    pd.DataFrame(rows, columns=["id", "t", "a", "b", "y"]).to_csv(path, index=False)
    columns = ("data.id=id", "data.time=t", "data.label=y", "data.test_size=6", "data.val_size=0")
    steps = ("trainer.max_steps=3", "trainer.max_epochs=-1", "recipe.lr=0.05", "logger=none")
    always = ("data=files", f"data.path={path}", *columns, *steps, "data.baselines=false")

    @cache
    def train(*overrides: str) -> Path:
        is_small = any(word.startswith("model=") for word in overrides)
        size = () if is_small else ("model.hidden_size=6",)
        folder: Path = train_in(*always, *size, *overrides).folder.path
        return folder

    return train


@pytest.fixture(scope="session")
def server() -> Any:
    """A process that has loaded torch and Lightning and forks commands; see `fork_server`."""
    from resume.conftest import Server

    server = Server()
    yield server
    server.kill()
