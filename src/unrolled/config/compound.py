"""Compound runs: one run folder that holds several trainings, each in a run folder of its own.

`ensemble=5` trains members, whose class probabilities are averaged. `data.test_fold=all` trains
once per fold of a cross-validation, and then a final network (or ensemble) on all sequences.
"""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from unrolled.config.changes import CHANGEABLE
from unrolled.config.checks import CHANNELS
from unrolled.config.classes import allowed_packages
from unrolled.config.composition import compose_config, options_folder
from unrolled.config.conf_folder import CONF
from unrolled.config.values import class_name, is_fitted
from unrolled.errors import ConfigError

ALL_FOLDS = "all"  # as data.test_fold
MAX_LINES = "callbacks.progress.max_lines"
OF_THE_WHOLE = ("calibration",)  # settings of a compound run that its trainings do not have


def is_compound(config: DictConfig) -> bool:
    """Return whether a run with this config consists of several trainings."""
    return config.ensemble is not None or has_folds(config)


def has_folds(config: DictConfig) -> bool:
    """Return whether a run with this config is a cross-validation."""
    return bool(config.data.test_fold == ALL_FOLDS)


def member_seed(seed: int, number: int) -> int:
    """Return the seed of a member of an ensemble.

    The first member has the seed of the run, so it is the network that the run without `ensemble`
    trains. Member i has the first 31 bits of the SHA-256 of "seed/i", for example of "1/2".

    number: of the member, counted from 1.
    """
    if number == 1:
        return seed
    digest = hashlib.sha256(f"{seed}/{number}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def part_configs(config: DictConfig, *, overrides: list[str]) -> dict[str, DictConfig]:
    """Return the config of each training of a compound run, by the name of its folder.

    The folds come first: fold-1, fold-2 and so on. A fold of a run with `ensemble` is a compound
    run itself. Then come the members of the final model: member-1, member-2 and so on.

    config: as composed, with its interpolations.
    overrides: the words of the command line. Those that begin with `model.` also apply to the
        networks that `ensemble` names. A named model that is fitted without a training loop, such
        as minirocket, has no such settings. It reads the features without added channels.

    Raises:
        ConfigError: `ensemble` names a model that does not exist, or more than one device is used.
    """
    _require_one_device(config)
    config = config.copy()
    with open_dict(config):  # a search compares epochs of whole runs
        (config.callbacks or {}).pop("pruning", None)
        config.calibration = "none"  # the whole is calibrated
    parts: dict[str, DictConfig] = {}
    if has_folds(config):
        for fold in range(config.data.num_folds):
            parts[f"fold-{fold + 1}"] = _changed(config, {"data.test_fold": fold, "test": True})
        if not config.data.refit:
            return parts
        config = _changed(config, {"data.test_fold": None, "data.test_size": 0})
    for number, chosen in enumerate(_member_configs(config, overrides), start=1):
        member = _changed(
            config,
            # the ensemble is tested, and its members with it
            {"ensemble": None, "test": False, "seed": member_seed(config.seed, number)},
        )
        if chosen is not None:
            with open_dict(member):
                member.model = chosen.model
                if is_fitted(chosen):
                    _refuse_words(member)
                    member.stem = chosen.stem
                    member.init_from = None
                    member.data.update(dict.fromkeys(CHANNELS, False))
        parts[f"member-{number}"] = member
    return parts


def with_changes(part: DictConfig, config: DictConfig, *, num_parts: int) -> DictConfig:
    """Return the config of a part with the settings that a resumed run may change.

    config: of the compound run.
    num_parts: which share the lines of progress.
    """
    part = part.copy()
    with open_dict(part):
        for key in (key for key in CHANGEABLE if key not in OF_THE_WHOLE):
            value = OmegaConf.select(config, key)
            if value is not None or OmegaConf.select(part, key) is not None:
                OmegaConf.update(part, key, value, merge=False, force_add=True)
        if (lines := OmegaConf.select(part, MAX_LINES)) is not None:
            OmegaConf.update(part, MAX_LINES, max(1, lines // num_parts))
    return part


def _changed(config: DictConfig, values: dict[str, Any]) -> DictConfig:
    config = config.copy()
    for key, value in values.items():
        OmegaConf.update(config, key, value)
    return config


def _member_configs(config: DictConfig, overrides: list[str]) -> list[DictConfig | None]:
    """Return a config with the model of each member, None for the model of the run."""
    if not OmegaConf.is_list(config.ensemble):
        return [None] * (config.ensemble or 1)
    settings = [word for word in overrides if word.lstrip("+~").startswith("model.")]
    names = list(config.ensemble)
    configs = {name: _composed(f"model={name}") for name in set(names)}
    if settings:
        networks = [name for name, one in configs.items() if not is_fitted(one)]
        configs |= {name: _composed(f"model={name}", *settings) for name in networks}
    return [configs[name] for name in names]


def _composed(*overrides: str) -> DictConfig:
    """Return a config that is only read. Each fold of a run with `ensemble` needs it again."""
    options = options_folder()
    files = [*CONF.rglob("*.yaml"), *Path.cwd().glob("*.yaml")]
    files += [] if options is None else Path(options).rglob("*.yaml")
    changed_at = tuple((path, path.stat().st_mtime_ns) for path in sorted(files))
    return _composed_at(changed_at, allowed_packages(), overrides)


@lru_cache(maxsize=100)
def _composed_at(
    changed_at: tuple[tuple[Path, int], ...], allowed: tuple[str, ...], overrides: tuple[str, ...]
) -> DictConfig:
    return compose_config(list(overrides))


def _refuse_words(member: DictConfig) -> None:
    if (embedding := member.data.get("embedding")) is not None:
        raise ConfigError(
            f"data.embedding={embedding}: {class_name(member.model)} reads numbers, not vectors of "
            f"words; remove it from `ensemble`, or use data.embedding=null"
        )


def _require_one_device(config: DictConfig) -> None:
    devices = config.trainer.devices
    num_devices = len(devices) if OmegaConf.is_list(devices) else devices
    if num_devices != 1 or config.trainer.num_nodes != 1:
        raise ConfigError(
            f"trainer.devices={devices} trainer.num_nodes={config.trainer.num_nodes}: "
            "`ensemble` and data.test_fold=all train on one device, one training after the other; "
            "use trainer.devices=1 trainer.num_nodes=1"
        )
