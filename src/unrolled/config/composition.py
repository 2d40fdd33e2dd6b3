"""Composes configs with Hydra, and explains what Hydra refuses."""

import contextlib
import re
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from unrolled.config import working_folder
from unrolled.config.checks import all_keys
from unrolled.config.values import register_resolvers
from unrolled.errors import ConfigError, did_you_mean

_PACKAGE = Path(__file__).parents[1]
_CHECKOUT = _PACKAGE.parents[1] / "conf"
CONF = _CHECKOUT if (_CHECKOUT / "train.yaml").is_file() else _PACKAGE / "conf"


def compose_config(overrides: list[str]) -> DictConfig:
    """Return the config of one run, Hydra's own node included.

    Raises:
        ConfigError: an override that does not fit.
    """
    try:
        return _compose(overrides)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(explain(error, overrides)) from error


def _compose(overrides: list[str]) -> DictConfig:
    register_resolvers()
    working_folder.register()
    before = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(CONF), version_base="1.3", job_name="train"):
            return compose("train", overrides=overrides, return_hydra_config=True)
    finally:
        GlobalHydra.instance().hydra = before


def explain(error: Exception, overrides: list[str]) -> str:
    """Return what Hydra or OmegaConf found wrong, in few lines, with what may have been meant.

    overrides: what was typed; the keys that exist depend on the options that it chooses.
    """
    lines = [line.strip() for line in f"{error}\n{error.__cause__ or ''}".splitlines()]
    lines = [line for line in lines if line and not line.startswith(("full_key", "object_type"))]
    text = "\n  ".join(dict.fromkeys(lines))
    if match := re.search(r"Could not override '([^']+)'", text):
        word, known = match[1], _known_keys(overrides)
    elif match := re.search(r"Could not find '([^']+)'", text):
        group, _, word = match[1].rpartition("/")
        known = [path.stem for path in (CONF / group).glob("*.yaml") if path.stem[0] != "_"]
        known += working_folder.names(group)
        text = f"{group}={word}: no such option; there are {', '.join(sorted(known))}"
    elif match := re.search(r"Could not override '?([\w/]+)'?\. No match in the defaults", text):
        word, known = match[1], [path.name for path in CONF.iterdir() if path.is_dir()]
    else:
        return text
    hint = did_you_mean(word, known)
    if hint:  # what was meant, rather than how Hydra would let one go on
        text = re.sub(r"\n\s*To append to your config use .*", "", text)
    return text + hint


def _known_keys(overrides: list[str]) -> list[str]:
    """Return the keys of the options that the overrides choose, or of the default ones."""
    options = [word for word in overrides if (CONF / word.partition("=")[0]).is_dir()]
    for choice in (options, []):
        with contextlib.suppress(HydraException, OmegaConfBaseException):
            return all_keys(_compose(choice))
    return []  # conf/ itself is what is wrong


def override(config: DictConfig, overrides: list[str], *, groups: tuple[str, ...]) -> DictConfig:
    """Return a run's config with some of it changed, as Hydra would have read it.

    overrides: `key=value` for keys that exist, or `group=option` for the given groups.
    groups: what may be changed; the rest of a run is what it is.

    Raises:
        ConfigError: another key, or one that does not exist.
    """
    parsed = _parse(overrides)
    changed = config.copy()
    for item in parsed:
        group = item.key_or_group.split(".")[0]
        if group not in groups:
            raise ConfigError(
                f"{item.input_line}: only {' and '.join(groups)} can be changed here"
                f"{did_you_mean(group, groups)}"
            )
    chosen = [item for item in parsed if OmegaConf.is_dict(config.get(item.key_or_group))]
    for item in chosen:
        composed = compose_config([item.input_line or ""])
        with open_dict(composed):
            composed.pop("hydra")
        resolved = OmegaConf.to_container(composed[item.key_or_group], resolve=True)
        with open_dict(changed):
            changed[item.key_or_group] = resolved
    for item in parsed:
        if item in chosen:
            continue
        if OmegaConf.select(changed, item.key_or_group, default=_MISSING) is _MISSING:
            hint = did_you_mean(item.key_or_group, all_keys(config))
            raise ConfigError(f"{item.key_or_group}: no such key{hint}")
        OmegaConf.update(changed, item.key_or_group, item.value())
    return changed


def override_keys(config: DictConfig, overrides: list[str]) -> DictConfig:
    """Return a run's config with what was typed: `key=value`, or `logger=option`.

    Raises:
        ConfigError: it cannot be read, or is a choice of another group.
    """
    for item in _parse(overrides):
        key = item.key_or_group
        is_group = key != "logger" and OmegaConf.is_dict(config.get(key))
        if item.is_add() or item.is_delete() or is_group:
            raise ConfigError(
                f"{item.input_line}: resume takes single keys, such as trainer.max_epochs=40"
            )
    return override(config, overrides, groups=tuple(map(str, config)))


def _parse(overrides: list[str]) -> list[Override]:
    try:
        return OverridesParser.create().parse_overrides(overrides)
    except HydraException as error:
        raise ConfigError(explain(error, overrides)) from error


_MISSING = object()
