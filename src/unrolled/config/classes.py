"""The classes that a config can name with `_target_`, by the key of the node that names them.

A config may come from a run folder of somebody else. So a node can name only the classes that the
options of conf/ name for it, and a few more of its kind. Whoever types a command can allow further
packages for this command (`allow=my_package`). A file never can.
"""

import importlib.util
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf

from unrolled.config.conf_folder import CONF
from unrolled.errors import ConfigError, did_you_mean


class Kind(NamedTuple):
    """What a node can name.

    bases: full names of classes. Each class of this kind is derived from one of them.
    groups: config groups whose options name classes of this kind.
    more: full names of further classes.
    """

    bases: tuple[str, ...]
    groups: tuple[str, ...] = ()
    more: tuple[str, ...] = ()


def _named(package: str, names: str) -> tuple[str, ...]:
    return tuple(f"{package}.{name}" for name in names.split())


KINDS = {
    "model": Kind(
        ("torch.nn.Module", "unrolled.baselines.minirocket.MiniRocket"),
        ("model",),
        _named("torch.nn", "RNN LSTM GRU"),
    ),
    "model.layer": Kind(
        (
            "unrolled.encoders.blocks.stacked.RecurrentLayer",
            "unrolled.encoders.blocks.residual.Layer",
        ),
        ("model",),
    ),
    "stem": Kind(("unrolled.stems.stem.Stem",), ("stem",)),
    "head": Kind(("unrolled.heads.head.Head",), ("head",)),
    "data.source": Kind(("unrolled.contracts.Source",), ("data",)),
    "optimizer": Kind(
        ("torch.optim.Optimizer",),
        ("optimizer",),
        _named("torch.optim", "Adadelta Adafactor Adagrad Adamax ASGD NAdam RAdam Rprop"),
    ),
    "scheduler": Kind(("unrolled.classifier.schedules.Schedule",), ("scheduler",)),
    "trainer": Kind(("lightning.Trainer",), ("trainer",)),
    "trainer.profiler": Kind(("lightning.pytorch.profilers.Profiler",), ("debug",)),
    "callbacks.*": Kind(
        ("lightning.Callback",),
        ("callbacks", "sweep"),
        _named(
            "lightning.pytorch.callbacks",
            "DeviceStatsMonitor GradientAccumulationScheduler LearningRateMonitor ModelSummary "
            "RichModelSummary StochasticWeightAveraging Timer",
        ),
    ),
    "logger.*": Kind(
        ("lightning.pytorch.loggers.Logger",),
        ("logger",),
        _named("lightning.pytorch.loggers", "CSVLogger TensorBoardLogger"),
    ),
}

_own_folders: list[str] = []
_allowed_packages: ContextVar[tuple[str, ...]] = ContextVar("allowed packages", default=())


def allowed_packages() -> tuple[str, ...]:
    """Return the packages of `allowing`."""
    return _allowed_packages.get()


def allow_words() -> list[str]:
    """Return `allow=...` as typed on the command line, or an empty list if nothing is allowed."""
    packages = allowed_packages()
    return [f"allow={','.join(packages)}"] if packages else []


@contextmanager
def allowing(packages: Sequence[str]) -> Iterator[None]:
    """Also accept classes of these packages, for example ["my_package"], in this context.

    A package or module in the working folder can be imported from then on, as in a notebook. The
    folder comes last on the path, so that its files hide no installed package.

    Raises:
        ConfigError: a name is not the name of a package, or there is no such package.
    """
    for package in packages:
        if not all(part.isidentifier() for part in package.split(".")):
            raise ConfigError(f"allow={package}: need the name of a package, such as my_package")
        _find(package.split(".")[0])
    token = _allowed_packages.set((*_allowed_packages.get(), *packages))
    try:
        yield
    finally:
        _allowed_packages.reset(token)


def _find(package: str) -> None:
    """Add the working folder to the path if a package is only there; nothing is imported."""
    if package in sys.modules or importlib.util.find_spec(package) is not None:
        return
    here = str(Path.cwd())
    if PathFinder.find_spec(package, [here]) is None:
        raise ConfigError(
            f"allow={package}: there is no such package in the environment or in the working "
            f"folder {here}"
        )
    sys.path.append(here)
    _own_folders.append(here)


def own_folders() -> list[str]:
    """Return the folders that `allowing` has added to the path, for other processes."""
    return [folder for folder in _own_folders if folder in sys.path]


def check_classes(config: dict[Any, Any]) -> None:
    """Refuse each node of a config that names a class which it cannot name; nothing is imported.

    config: plain values, without Hydra's own node.

    Raises:
        ConfigError: the message names the node, the class and what the node can name.
    """
    for key, target in _targets(config, ""):
        check_class(key, target)


def check_class(key: str, target: object) -> Kind:
    """Return what the node can name, if this includes the class.

    key: dotted key of the node, for example model.layer.
    target: full name of the class.

    Raises:
        ConfigError: the node cannot name a class, or not this one.
    """
    kind = _kind_of(key)
    if kind is None:
        raise ConfigError(f"{key}._target_={target}: this setting cannot name a class")
    known = classes_of(kind)
    if str(target) in known or is_allowed(target):
        return kind
    raise ConfigError(
        f"{key}._target_={target}: need allow={_package_of(target)} for a class of your own "
        f"package, or one of {', '.join(sorted(known))}{did_you_mean(str(target), known)}"
    )


def _kind_of(key: str) -> Kind | None:
    return KINDS.get(key) or KINDS.get(f"{key.rpartition('.')[0]}.*")


def _package_of(target: object) -> str:
    first = str(target).split(".")[0]
    return first if first.isidentifier() else "PACKAGE"


def is_built_in(node: DictConfig) -> bool:
    """Return whether a node and the nodes in it name classes of this package only."""
    targets = _targets(OmegaConf.to_container(node), "")
    return all(str(target).startswith("unrolled.") for _, target in targets)


def names_class_of(package: str, config: DictConfig) -> bool:
    """Return whether a node of the config names a class of a package."""
    targets = _targets(OmegaConf.to_container(config), "")
    return any(str(target).startswith(f"{package}.") for _, target in targets)


def own_nodes(config: dict[Any, Any]) -> tuple[str, ...]:
    """Return the beginnings of the keys that are arguments of classes which `allow` admits.

    For example "model.", if the model is a class of your own. The rules for the settings of
    built-in classes do not apply to them.
    """
    return tuple(
        f"{key}."
        for key, target in _targets(config, "")
        if is_allowed(target) and (kind := _kind_of(key)) and target not in classes_of(kind)
    )


@cache
def classes_of(kind: Kind) -> frozenset[str]:
    """Return the full names of the classes that nodes of this kind can name."""
    files = (path for group in kind.groups for path in (CONF / group).glob("*.yaml"))
    found = (re.findall(r"_target_: *([\w.]+)", path.read_text("utf-8")) for path in files)
    return frozenset(name for names in found for name in names) | set(kind.more)


def is_allowed(target: object) -> bool:
    """Return whether this is the name of something in a package of `allowing`."""
    packages = tuple(f"{package}." for package in _allowed_packages.get())
    return isinstance(target, str) and target.startswith(packages)


def _targets(node: Any, key: str) -> Iterator[tuple[str, object]]:
    """Yield the key of each node that has a `_target_`, in lists too, and the `_target_`."""
    if isinstance(node, dict):
        if "_target_" in node:
            yield key, node["_target_"]
        for name, value in node.items():
            yield from _targets(value, f"{key}.{name}" if key else str(name))
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from _targets(value, f"{key}[{number}]")
