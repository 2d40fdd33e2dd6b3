"""Checks Hydra's own settings. Some name classes that Hydra makes, and one copies secrets."""

from dataclasses import is_dataclass
from functools import cache
from typing import Any

from hydra.conf import HydraConf
from omegaconf import DictConfig, OmegaConf

from unrolled.config.classes import is_allowed
from unrolled.config.rule import Rule
from unrolled.errors import ConfigError, did_you_mean

# Plugins are installed packages. A plugin is chosen by its option, such as hydra/launcher=slurm.
PLUGINS = ("hydra_plugins.", "hydra._internal.core_plugins.")
HANDLERS = ("logging.StreamHandler", "logging.FileHandler", "logging.NullHandler")
COLORED = "colorlog.ColoredFormatter"  # of hydra_colorlog


OPTIONS = {  # of Hydra's groups, for messages
    "launcher": "forked",
    "sweeper": "basic",
    "job_logging": "unrolled",
    "hydra_logging": "default",
}

FORKED = "hydra_plugins.unrolled_sweeps.ForkedLauncher"
FORKED_RULES = {
    "jobs_at_once": Rule((int,), low=1, optional=True),
    "gpu_gigabytes": Rule((int, float), low=0, low_allowed=False),
}


def check_hydra(hydra: DictConfig, *, job_minutes: float | None) -> None:
    """Refuse classes other than Hydra's plugins and the handlers and formatters of logging.

    Copies of environment variables and settings that Hydra does not have are refused, too.

    hydra: Hydra's node of a composed config.
    job_minutes: the setting sweep.job_minutes, which only the forked launcher obeys.

    Raises:
        ConfigError: the message names the key and the class.
    """
    settings: Any = OmegaConf.to_container(hydra)
    assert isinstance(settings, dict)
    _check_keys(settings, _settings_of_hydra(), "hydra")
    if names := settings["job"]["env_copy"]:
        raise ConfigError(
            f"hydra.job.env_copy={names}: Hydra would write the values of these variables to a "
            "file; leave it out, because jobs have the environment of the sweep"
        )
    for name, option in OPTIONS.items():
        if not isinstance(settings[name], dict):
            raise ConfigError(f"hydra/{name} has no option; type hydra/{name}={option}")
    for name in ("launcher", "sweeper"):
        target = _field(settings[name], "_target_")
        if not _is_known(target, PLUGINS):
            raise ConfigError(
                f"hydra.{name}._target_={target}: need the class of an installed plugin of Hydra; "
                f"choose an option, for example hydra/{name}={OPTIONS[name]}"
            )
    if settings["launcher"]["_target_"] == FORKED:
        for name, rule in FORKED_RULES.items():
            if rule.broken_by(value := settings["launcher"].get(name)):
                raise ConfigError(f"hydra.launcher.{name}={value}: need {rule}")
    elif job_minutes is not None:
        raise ConfigError(
            f"sweep.job_minutes={job_minutes}: it needs hydra/launcher=forked; SLURM has "
            "hydra.launcher.timeout_min"
        )
    for name, callback in (settings["callbacks"] or {}).items():
        _check(f"callbacks.{name}._target_", _field(callback, "_target_"), ())
    for name in ("job_logging", "hydra_logging"):
        _check_logging(settings[name], name)


@cache
def _settings_of_hydra() -> DictConfig:
    """Return the settings that Hydra has, without its empty group hydra/env.

    Nodes of plugins and of logging can hold any setting.
    """
    known = OmegaConf.structured(HydraConf)
    assert isinstance(known, DictConfig)
    return known


def _check_keys(settings: dict[str, Any], known: DictConfig, key: str) -> None:
    """Refuse a setting that was added with + and is not Hydra's."""
    nodes = {name: known._get_node(name) for name in map(str, known.keys())}
    for name, value in settings.items():
        node = nodes.get(name)
        if node is None and name != "env":
            hint = did_you_mean(name, nodes)
            raise ConfigError(f"{key}.{name}={value}: Hydra has no such setting{hint}")
        if isinstance(node, DictConfig) and is_dataclass(OmegaConf.get_type(node)):
            _check_keys(value, node, f"{key}.{name}")


def _check_logging(logging: dict[str, Any], key: str) -> None:
    """Refuse handlers that do more than append to a file or print, and unknown factories."""
    for name, handler in (logging.get("handlers") or {}).items():
        _check(f"{key}.handlers.{name}.class", _field(handler, "class"), HANDLERS)
        if handler.get("mode", "a") != "a":
            raise ConfigError(f"hydra.{key}.handlers.{name}.mode={handler['mode']}: need a")
    for part in ("handlers", "formatters", "filters"):
        for name, node in (logging.get(part) or {}).items():
            for word in ("()", "class") if part != "handlers" else ("()",):
                if _field(node, word) is not None:
                    _check(f"{key}.{part}.{name}.{word}", node[word], (COLORED,))


def _field(node: Any, name: str) -> Any:
    """Return a value of a node, or None if it is no node."""
    return node.get(name) if isinstance(node, dict) else None


def _is_known(target: object, known: tuple[str, ...]) -> bool:
    return isinstance(target, str) and (target.startswith(known) or is_allowed(target))


def _check(key: str, target: object, known: tuple[str, ...]) -> None:
    if not _is_known(target, known):
        expected = f"need one of {', '.join(known)}" if known else "unrolled has no such setting"
        raise ConfigError(f"hydra.{key}={target}: {expected}")
