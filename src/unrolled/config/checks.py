"""Checks of a composed config that need no torch."""

import ctypes
import os
import re
from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from unrolled.config.classes import check_classes, own_nodes
from unrolled.config.conf_folder import CONF
from unrolled.config.keys import similar_key
from unrolled.config.rule import is_too_large
from unrolled.config.rules import RULES
from unrolled.config.values import class_name, holds_arrays, is_fitted, leaves
from unrolled.errors import ConfigError, did_you_mean

CHANNELS = ("per_sequence", "differences", "level_and_scale")  # keys of config.data

# Nodes with a fixed set of keys. Those of all other nodes are arguments of a class.
FIXED = (
    *("", "monitor", "checkpoint", "loss", "recipe", "sweep"),
    *("data.recipe", "data.window", "model.recipe"),
)
# Nodes that hold settings: `a` and `a.b` for each rule of a key a.b.c.
NODES = {key[: dot.start()] for key in RULES for dot in re.finditer(r"\.", key)} | {"sweep.space"}

# Largest counts of what is made in Python, one after the other. Constructors have no such limit.
MOST = {
    "ensemble": 1000,
    "model.num_layers": 1000,
    "data.num_folds": 1000,
    "data.source.num_classes": 10**6,
}

OF_EVERY_MODEL = ("model.recipe.", "model.parameter_budget")  # not arguments of its class

# Arguments of Lightning's Trainer that the project sets itself, and what to type instead.
OWN_ARGUMENTS = {
    "callbacks": "add a callback with +callbacks.NAME._target_=CLASS",
    "logger": "choose with logger=default or logger=none",
    "plugins": "they cannot be set",
    "default_root_dir": "choose the run folder with hydra.run.dir=DIR",
    "enable_checkpointing": "checkpoints are always written",
    "fast_dev_run": "use debug=fast",
    "overfit_batches": "use debug=overfit",
    "barebones": "it would leave out scores and checkpoints",
    "limit_predict_batches": "unrolled predict classifies every sequence",
    "reload_dataloaders_every_n_epochs": "use data.source.redraw=true, for sources that have it",
    "sync_batchnorm": "it cannot be set",
    "enable_autolog_hparams": "hyperparameters are always logged",
    "model_registry": "it cannot be set",
}

MIXED_PRECISIONS = ("bf16-mixed", "16-mixed")  # the input stays in single precision
# Classes of torch.optim that divide by a number plus eps, which is at most 1e-8 by default.
DIVIDING = ("Adagrad", "Adam", "Adamax", "AdamW", "NAdam", "RAdam", "RMSprop")
ZERO_IN_HALF_PRECISION = 2.0**-25  # this number, and all smaller ones, become zero in float16
HALF_PRECISIONS = ("16-true", "bf16-true", "transformer-engine", "transformer-engine-float16")

GPU_DRIVERS = ("libcuda.so.1", "nvcuda.dll", "libamdhip64.so")


def check_config(config: DictConfig) -> None:
    """Refuse values of a wrong type or range, missing values, and classes of other packages.

    config: without Hydra's own node.

    Raises:
        ConfigError: the message names the key, the value and what is expected.
    """
    plain: Any = OmegaConf.to_container(config)
    assert isinstance(plain, dict)
    _check_nodes(plain)
    resolved = dict(_leaves(config))
    check_classes(plain)
    own = own_nodes(plain)
    references = {key for key, value in leaves(plain) if "${" in str(value)}
    # A value comes before references to it, so that the message names the key that was typed.
    for key, value in sorted(resolved.items(), key=lambda item: item[0] in references):
        if not key.startswith(own) or key.startswith(OF_EVERY_MODEL):
            check_value(key, value)
    _check_trainer(config.trainer)
    _check_devices(config)
    _check_length(config.trainer)
    _check_curriculum(config.data)
    _check_accelerator(config.trainer.accelerator)
    _check_half_precision(config)
    _check_fitted(config)
    _check_embedding(config)


def check_value(key: str, value: Any) -> None:
    """Refuse the value of a dotted key that its rule does not allow.

    Raises:
        ConfigError: the message names the key, the value and what is allowed.
    """
    rule = RULES.get(key)
    parent, _, name = key.rpartition(".")
    if rule is None and parent in FIXED and key not in NODES:
        raise ConfigError(f"{key}={value}: no such setting{did_you_mean(key, RULES)}")
    if name == "_partial_" and value is not True:
        raise ConfigError(f"{key}={value}: need true")
    if rule is not None and rule.broken_by(value):
        hint = did_you_mean(value, map(str, rule.words)) if isinstance(value, str) else ""
        limit = "; the number is too large" if is_too_large(value) else ""
        raise ConfigError(f"{key}={value}: need {rule}{limit}{hint}")
    if isinstance(value, int) and value > MOST.get(key, value):
        raise ConfigError(f"{key}={value}: need at most {MOST[key]:,}")


def is_setting(key: str) -> bool:
    """Return whether a dotted key is a setting or a group of settings that each config has."""
    return (key in RULES or key in NODES) and not _is_switch(key)


def _check_nodes(config: dict[Any, Any]) -> None:
    """Refuse a value in place of a node, a node in place of a value, and a node that is missing."""
    for name in NODES:
        if "." not in name and name not in config:
            raise ConfigError(f"{name}=null: need {_example(name)}")
    for name, rule in RULES.items():
        if "." not in name and name not in config:
            raise ConfigError(f"{name}: the config has no such key; need {name}=VALUE, {rule}")
    own = own_nodes(config)
    for key, value in _nodes_and_values(config, ""):
        if key.startswith(own):
            continue
        if isinstance(value, dict):
            if key in RULES and key not in NODES:
                raise ConfigError(f"{key}={value}: need {RULES[key]}")
        elif key in NODES and key not in RULES and not (value is None and _is_switch(key)):
            raise ConfigError(f"{key}={value}: need {_example(key)}")
        elif _is_switch(key) and value is not None:
            raise ConfigError(f"{key}={value}: need settings, or null to leave it out")


def _nodes_and_values(node: dict[Any, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in node.items():
        yield f"{prefix}{name}", value
        if isinstance(value, dict):
            yield from _nodes_and_values(value, f"{prefix}{name}.")


def _is_switch(key: str) -> bool:
    """Return whether null leaves out what a group of settings describes."""
    return key.startswith(("callbacks.", "logger.")) and key.count(".") == 1


def _example(node: str) -> str:
    """Return what to type for a node, for messages."""
    options = sorted(path.stem for path in (CONF / node).glob("[!_]*.yaml"))
    if options:
        return f"an option, one of {', '.join(options)}"
    key = next((key for key in RULES if key.startswith(f"{node}.")), f"{node}.KEY")
    return f"settings, such as {key}=VALUE"


def _check_trainer(trainer: DictConfig) -> None:
    """Refuse arguments of Lightning's Trainer that the project sets itself."""
    for key in OWN_ARGUMENTS:
        if key in trainer:
            raise ConfigError(f"trainer.{key}={trainer[key]}: {OWN_ARGUMENTS[key]}")


def _check_devices(config: DictConfig) -> None:
    """Refuse several devices where one process trains, and more than a CPU has cores."""
    trainer, devices = config.trainer, config.trainer.devices
    num_devices = len(devices) if OmegaConf.is_list(devices) else devices
    is_on_one_node = trainer.num_nodes == 1
    if holds_arrays(config) and not (num_devices in (1, "1") and is_on_one_node):
        raise ConfigError(
            f"trainer.devices={devices} trainer.num_nodes={trainer.num_nodes}: arrays are in the "
            "memory of one process; use trainer.devices=1 trainer.num_nodes=1, or data=files"
        )
    if trainer.max_steps is None and not (num_devices in ("auto", 1, "1") and is_on_one_node):
        raise ConfigError(
            f"trainer.devices={devices}: recipe=small computes its steps for one device; "
            "use recipe=own or trainer.devices=1"
        )
    num_cores = os.cpu_count() or 1
    on_cpu = trainer.accelerator == "cpu" or not _has_gpu_driver()
    if on_cpu and isinstance(num_devices, int) and num_devices > num_cores:
        raise ConfigError(
            f"trainer.devices={devices}: on the CPU, each device is a process, and this machine "
            f"has {num_cores} cores; use trainer.devices=1"
        )


def _check_length(trainer: DictConfig) -> None:
    """Refuse a run whose length is unknown when it starts, because schedules depend on it."""
    if trainer.max_time is not None and not re.search("[1-9]", str(trainer.max_time)):
        raise ConfigError(f"trainer.max_time={trainer.max_time}: need a time longer than zero")
    if trainer.max_epochs in (None, -1) and trainer.max_steps == -1:
        raise ConfigError(
            f"trainer.max_epochs={trainer.max_epochs}: need a number of epochs or "
            "trainer.max_steps=STEPS; trainer.max_time alone is not enough"
        )
    for unit in ("epochs", "steps"):
        least, most = trainer.get(f"min_{unit}"), trainer.get(f"max_{unit}")
        if None not in (least, most) and -1 < most < least:
            raise ConfigError(
                f"trainer.min_{unit}={least} trainer.max_{unit}={most}: need at most "
                f"trainer.max_{unit}"
            )


def _check_curriculum(data: DictConfig) -> None:
    """Refuse a curriculum, which orders the sequences by length, without shuffling."""
    if data.curriculum_epochs and not data.shuffle:
        raise ConfigError(
            f"data.curriculum_epochs={data.curriculum_epochs}: a curriculum changes the order of "
            "the sequences, but data.shuffle=false keeps it; use data.shuffle=true or "
            "data.curriculum_epochs=0"
        )


def _check_accelerator(accelerator: str) -> None:
    """Refuse a GPU on a machine without a GPU driver; torch checks the GPU itself later."""
    if accelerator in ("gpu", "cuda") and not _has_gpu_driver():
        raise ConfigError(
            f"trainer.accelerator={accelerator}: this machine has no GPU driver; "
            "use trainer=cpu or trainer=auto"
        )


def _check_half_precision(config: DictConfig) -> None:
    """Refuse optimizers that would divide zero by zero if all numbers have 16 bits."""
    optimizer, eps = config.optimizer, config.optimizer.get("eps", 1e-8)
    divides = optimizer.get("_target_") in {f"torch.optim.{name}" for name in DIVIDING}
    if config.trainer.precision != "16-true" or is_fitted(config) or not divides:
        return
    if isinstance(eps, int | float) and eps <= ZERO_IN_HALF_PRECISION:
        raise ConfigError(
            f"trainer.precision=16-true: eps={eps:g} of {class_name(optimizer)} is zero in this "
            "precision, so that weights become NaN; use trainer.precision=16-mixed, bf16-mixed or "
            "bf16-true, or optimizer=sgd, or +optimizer.eps=1e-4"
        )


def _check_fitted(config: DictConfig) -> None:
    """Refuse settings that a model without a training loop cannot use."""
    if not is_fitted(config) or OmegaConf.is_list(config.ensemble):
        return
    name = class_name(config.model)
    if added := [key for key in CHANNELS if config.data[key]]:
        raise ConfigError(
            f"{' '.join(f'data.{key}=true' for key in added)}: {name} reads the standardized "
            "features, without added channels; leave out these settings"
        )
    if config.init_from is not None:
        raise ConfigError(
            f"init_from={config.init_from}: {name} is fitted without initial weights; "
            "use init_from=null"
        )


def _check_embedding(config: DictConfig) -> None:
    """Refuse settings that would change the codes of words, and models that read numbers only."""
    data = config.data
    if data.get("embedding") is None:
        return
    typed = f"data.embedding={data.embedding}"
    if data.layout != "rows" or data.noise_steps:
        wrong = f"data.layout={data.layout}" if data.layout != "rows" else "data.noise_steps"
        raise ConfigError(
            f"{typed} {wrong}: words are neither pixels nor noise; use data.layout=rows "
            f"data.noise_steps=0"
        )
    if str(config.trainer.precision) in HALF_PRECISIONS:
        raise ConfigError(
            f"{typed} trainer.precision={config.trainer.precision}: half precision cannot hold "
            f"the codes of words; use trainer.precision={MIXED_PRECISIONS[0]} or "
            f"{MIXED_PRECISIONS[1]}"
        )
    if is_fitted(config) and not OmegaConf.is_list(config.ensemble):
        raise ConfigError(
            f"{typed}: {class_name(config.model)} reads numbers, not vectors of words; use another "
            f"model, or data.embedding=null"
        )


def _has_gpu_driver() -> bool:
    return any(map(_loads, GPU_DRIVERS))


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _leaves(config: DictConfig) -> Iterator[tuple[str, Any]]:
    """Yield every dotted key with its resolved value."""
    for name in config:
        key = config._get_full_key(name)
        try:
            value = config[name]
        except OmegaConfBaseException as error:
            raise ConfigError(f"{key}: {_unresolved(error, config)}") from error
        if isinstance(value, DictConfig):
            yield from _leaves(value)
        else:
            yield key, OmegaConf.to_container(value) if OmegaConf.is_config(value) else value


def _unresolved(error: OmegaConfBaseException, config: DictConfig) -> str:
    first_line = str(error).splitlines()[0]
    if isinstance(error, MissingMandatoryValue):
        return "need a value in place of ???"
    if match := re.search(r"Interpolation key '([^']+)' not found", first_line):
        root = config._get_root()
        assert isinstance(root, DictConfig)
        return f"${{{match[1]}}} refers to a key that does not exist{similar_key(match[1], root)}"
    return first_line
