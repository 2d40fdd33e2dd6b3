"""The classes that a config can name with `_target_`, by the key of the node that names them.

A config may come from a run folder of somebody else. So a node can name only the classes that the
options of conf/ name for it, and a few more of its kind. Whoever types a command can allow further
packages for this command (`allow=my_package`). A file never can.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any, NamedTuple

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
        ("unrolled.encoders.blocks.encoder.Encoder", "unrolled.baselines.minirocket.MiniRocket"),
        ("model",),
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
        _named("lightning.pytorch.loggers", "CSVLogger"),
    ),
}

_allowed_packages: ContextVar[tuple[str, ...]] = ContextVar("allowed packages", default=())


def allowed_packages() -> tuple[str, ...]:
    """Return the packages of `allowing`."""
    return _allowed_packages.get()


@contextmanager
def allowing(packages: Sequence[str]) -> Iterator[None]:
    """Also accept classes of these packages, for example ["my_package"], in this context.

    Raises:
        ConfigError: a name is not that of a package.
    """
    for package in packages:
        if not all(part.isidentifier() for part in package.split(".")):
            raise ConfigError(f"allow={package}: need the name of a package, such as my_package")
    token = _allowed_packages.set((*_allowed_packages.get(), *packages))
    try:
        yield
    finally:
        _allowed_packages.reset(token)


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
    kind = KINDS.get(key) or KINDS.get(f"{key.rpartition('.')[0]}.*")
    if kind is None:
        raise ConfigError(f"{key}._target_={target}: this setting cannot name a class")
    known = classes_of(kind)
    if str(target) in known or is_allowed(target):
        return kind
    raise ConfigError(
        f"{key}._target_={target}: need one of {', '.join(sorted(known))}"
        f"{did_you_mean(str(target), known)}; classes of your own package need allow=PACKAGE"
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
