"""Typed settings that would have no effect in a single run."""

import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf

from unrolled.config.values import class_name, is_fitted, leaves
from unrolled.errors import ConfigError

# Settings of a sweep, which need `unrolled train -m`.
OF_A_SWEEP = ("sweep.", "hydra.sweep.", "hydra.launcher", "hydra/launcher", "hydra.sweeper")

# Nodes whose values are used by reference only, for example ${recipe.lr}.
RECIPES = ("recipe.", "data.recipe.", "model.recipe.")
REFERENCE = re.compile(r"\$\{((?:data\.|model\.)?recipe\.\w+)\}")


class Unused(NamedTuple):
    """When a key has no effect.

    unless: what the config needs for the key to have an effect.
    remedy: what to type.
    """

    unless: Callable[[DictConfig], Any]
    remedy: str


UNUSED = {
    "data.permutation": Unused(
        lambda c: c.data.layout == "permuted", "it needs data.layout=permuted"
    ),
    "data.pixels_per_step": Unused(
        lambda c: c.data.layout in ("pixels", "permuted"), "it needs data.layout=pixels or permuted"
    ),
    "data.truncate": Unused(
        lambda c: c.data.max_length is not None, "it needs data.max_length=STEPS"
    ),
    "data.noise_seed": Unused(lambda c: c.data.noise_steps > 0, "it needs data.noise_steps=STEPS"),
    "data.val_size": Unused(
        lambda c: c.data.fold is None, "data.fold chooses the validation set; leave one of them out"
    ),
    "data.test_size": Unused(
        lambda c: c.data.test_fold is None,
        "data.test_fold chooses the test set; leave one of them out",
    ),
    "data.refit": Unused(lambda c: _has_folds(c), "it needs data.test_fold=all"),
    "data.causal": Unused(
        lambda c: c.data.per_sequence or c.data.level_and_scale,
        "it needs data.per_sequence=true or data.level_and_scale=true",
    ),
    "calibration": Unused(
        lambda c: c.calibration == "none" or _can_calibrate(c),
        "it needs a validation, so not trainer.limit_val_batches=0, or data.test_fold=all with "
        "data.refit=true",
    ),
    "stem": Unused(
        lambda c: class_name(c.stem) == "NoStem" or not _is_fitted_alone(c),
        "the model is fitted without a stem; leave it out",
    ),
    "trainer.gradient_clip_algorithm": Unused(
        lambda c: c.trainer.gradient_clip_val, "it needs trainer.gradient_clip_val=NUMBER"
    ),
    "callbacks.early_stopping": Unused(
        lambda c: c.trainer.limit_val_batches != 0, "there is no validation to stop after"
    ),
    "monitor.metric": Unused(
        lambda c: c.trainer.limit_val_batches != 0, "there is no validation to compare epochs by"
    ),
}


def check_effects(config: DictConfig, overrides: Iterable[str]) -> None:
    """Refuse a typed setting of a single run that has no effect.

    A sweep is not checked: a setting may be meant for some of its jobs.

    config: as composed, with its interpolations.
    overrides: the words of the command line, for example "data.noise_seed=3".

    Raises:
        ConfigError: the message names the setting and what it needs.
    """
    for word in overrides:
        key = word.lstrip("+").split("=")[0]
        if key.startswith(OF_A_SWEEP):
            raise ConfigError(f"{word}: this is a setting of a sweep; unrolled train -m")
        if key.startswith(RECIPES) and not _is_used(key, _references(config)):
            raise ConfigError(f"{word}: no other setting of this run refers to {key}")
        for name, unused in UNUSED.items():
            if (key == name or key.startswith(f"{name}.")) and not unused.unless(config):
                raise ConfigError(f"{word} would have no effect: {unused.remedy}")


def _has_folds(config: DictConfig) -> bool:
    """Return whether there are folds, or may be because the size of the test set is computed."""
    return config.data.test_fold is not None or config.data.test_size is None


def _is_fitted_alone(config: DictConfig) -> bool:
    return is_fitted(config) and not OmegaConf.is_list(config.ensemble)


def _can_calibrate(config: DictConfig) -> bool:
    """Return whether there may be predictions to fit a temperature on, and a model to use it."""
    if _has_folds(config):
        return bool(config.data.refit)
    return bool(config.trainer.limit_val_batches != 0)


def _references(config: DictConfig) -> dict[str, set[str]]:
    """Return the keys whose values refer to each key of a recipe."""
    plain: Any = OmegaConf.to_container(config)
    found: dict[str, set[str]] = {}
    for key, value in leaves(plain):
        for reference in REFERENCE.findall(str(value)):
            found.setdefault(reference, set()).add(key)
    return found


def _is_used(key: str, references: dict[str, set[str]]) -> bool:
    """Return whether a setting outside the recipes refers to a key, directly or not."""
    users = references.get(key, set())
    return any(not user.startswith(RECIPES) or _is_used(user, references) for user in users)
