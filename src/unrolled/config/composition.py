"""Composes configs with Hydra, and rewords the errors of Hydra and OmegaConf."""

import contextlib
import re
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

import yaml
from hydra import version
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Sweep
from hydra.core.utils import configure_log
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from unrolled.config import caches, option_folders, plugins, working_folder
from unrolled.config.checks import OWN_ARGUMENTS, is_setting
from unrolled.config.classes import own_nodes
from unrolled.config.conf_folder import CONF
from unrolled.config.hydra_settings import check_hydra
from unrolled.config.keys import all_keys, unknown_key
from unrolled.config.literal import literal_values
from unrolled.errors import ConfigError, did_you_mean

CONFIG_NAME = "train"

_options_folder: ContextVar[str | None] = ContextVar("options folder", default=None)

# How Hydra and OmegaConf name a key that does not exist.
UNKNOWN_KEY = (
    r"Could not override '([^']+)'",
    r"Could not override '?([\w/]+)'?\. No match in the defaults",
    r"Could not delete from config\. '([^']+)' does not exist",
    r"is not in struct\s+full_key: (\S+)",
)


def compose_config(overrides: list[str]) -> DictConfig:
    """Return the config of one run, including Hydra's own node.

    Raises:
        ConfigError: an override does not fit the config.
    """
    return compose_job(overrides)[0]


def compose_job(overrides: list[str]) -> tuple[DictConfig, ConfigLoader]:
    """Return the config of one run, including Hydra's own node, and the loader that composed it.

    Raises:
        ConfigError: an override does not fit the config.
    """
    with hydra_in_conf() as hydra:
        try:
            return _compose(hydra, overrides), hydra.config_loader
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(explain(error, overrides)) from error


def options_folder() -> str | None:
    """Return the folder of `options_from`."""
    return _options_folder.get()


@contextlib.contextmanager
def options_from(folder: str | None) -> Iterator[None]:
    """Compose all configs in this context with a further folder of options, if there is one.

    folder: of --config-dir. Its options come before the ones in conf/.

    Raises:
        ConfigError: there is no such folder.
    """
    if folder is not None and not Path(folder).is_dir():
        raise ConfigError(f"--config-dir={folder}: no such folder")
    token = _options_folder.set(None if folder is None else str(Path(folder).absolute()))
    try:
        yield
    finally:
        _options_folder.reset(token)


@contextlib.contextmanager
def hydra_in_conf() -> Iterator[Hydra]:
    """Yield a Hydra that composes from conf/, and restore the current one afterwards.

    It also finds options in the folder of `options_from` and in the packages that are allowed.
    """
    working_folder.register()
    plugins.register()
    caches.register()
    option_folders.register()
    version.setbase("1.3")
    search_path = create_config_search_path(f"cached://{CONF}")
    if (folder := options_folder()) is not None:
        search_path.prepend("command-line", f"file://{folder}")
    plugins.add_to(search_path)
    before = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        yield _CheckedHydra.create_main_hydra2(task_name="train", config_search_path=search_path)
    finally:
        GlobalHydra.instance().hydra = before


class _CheckedHydra(Hydra):
    """Checks Hydra's own settings before Hydra makes loggers, launchers or callbacks of them."""

    def compose_config(
        self,
        config_name: str | None,
        overrides: list[str],
        run_mode: RunMode,
        with_log_configuration: bool = False,
        from_shell: bool = True,
        validate_sweep_overrides: bool = True,
    ) -> DictConfig:
        _require_options(overrides)
        plugins.check_search_path(overrides)
        try:
            config = super().compose_config(
                config_name,
                overrides,
                run_mode,
                from_shell=from_shell,
                validate_sweep_overrides=validate_sweep_overrides,
            )
        except (yaml.YAMLError, UnicodeDecodeError) as error:  # in a file of --config-dir
            reason = " ".join(str(error).split())
            raise ConfigError(f"a config file cannot be read: {reason}") from error
        _require_deletable(overrides, config)
        check_hydra(config.hydra, job_minutes=OmegaConf.select(config, "sweep.job_minutes"))
        working_folder.refuse_hidden_files(config.hydra.runtime.choices)
        if with_log_configuration:
            configure_log(config.hydra.hydra_logging, config.hydra.verbose)
        return config


def _require_options(overrides: list[str]) -> None:
    """Refuse model=null or model=3, for which Hydra raises a ValueError.

    Raises:
        ConfigError: the value of a group is not a word.
    """
    for item in OverridesParser.create().parse_overrides(overrides):
        group, value = item.key_or_group, item.value()
        is_word = isinstance(value, str | list | Sweep)
        if (CONF / group).is_dir() and not is_word and not item.is_delete():
            known = ", ".join(_options(group))
            raise ConfigError(f"{item.input_line}: need an option, one of {known}")


def _require_deletable(overrides: list[str], config: DictConfig) -> None:
    """Refuse ~optimizer.lr, after which a default of torch would apply, or nothing would.

    Callbacks, loggers, arguments of your own classes, and arguments of a node whose `_target_` is
    typed can be deleted.

    config: as composed with the overrides.

    Raises:
        ConfigError: the message names the setting and what to type.
    """
    items = OverridesParser.create().parse_overrides(overrides)
    deleted = [item for item in items if item.is_delete() and is_setting(item.key_or_group)]
    if not deleted:
        return
    plain = OmegaConf.to_container(without_hydra(config))
    assert isinstance(plain, dict)
    typed = (item.key_or_group for item in items if item.key_or_group.endswith("._target_"))
    others = (*own_nodes(plain), *(key.removesuffix("_target_") for key in typed))
    for item in deleted:
        key = item.key_or_group
        if not key.startswith(others):
            raise ConfigError(
                f"{item.input_line}: a setting cannot be deleted, only callbacks and loggers; "
                f"type {key}=VALUE"
            )


def _options(group: str) -> list[str]:
    """Return the names of the options of a group."""
    folders = [CONF, *([] if options_folder() is None else [Path(str(options_folder()))])]
    known = {path.stem for folder in folders for path in (folder / group).glob("[!_]*.yaml")}
    return sorted(known | set(working_folder.names(group)))


def _compose(hydra: Hydra, overrides: list[str]) -> DictConfig:
    config = hydra.compose_config(
        CONFIG_NAME, overrides, run_mode=RunMode.RUN, with_log_configuration=False, from_shell=False
    )
    assert isinstance(config, DictConfig)
    return config


def without_hydra(config: DictConfig) -> DictConfig:
    """Return a copy of a composed config that lacks Hydra's own node."""
    config = config.copy()
    with open_dict(config):
        config.pop("hydra")
    return config


def explain(error: Exception, overrides: list[str]) -> str:
    """Return what Hydra or OmegaConf rejected, in one or two lines, with a suggestion.

    overrides: what the user typed; the keys that exist depend on the options that it chooses.
    """
    raw = f"{error}\n{error.__cause__ or ''}"
    if match := re.search(r"Could not find '([^']+)'", raw):
        return _unknown_option(match[1])
    for pattern in UNKNOWN_KEY:
        if match := re.search(pattern, raw):
            key, config = match[1].replace("/", "."), _known_config(overrides)
            if key not in all_keys(config):
                return unknown_key(key, config) + _more_about(key)
    lines = [line.strip() for line in raw.splitlines()]
    lines = [line for line in lines if line and not line.startswith(("full_key", "object_type"))]
    return "\n  ".join(dict.fromkeys(lines))


def _more_about(key: str) -> str:
    group, _, name = key.partition(".")
    if group != "trainer":
        return ""
    if name in OWN_ARGUMENTS:
        return f"; {OWN_ARGUMENTS[name]}"
    return f"; another argument of Lightning's Trainer is added with +{key}=VALUE"


def _unknown_option(path: str) -> str:
    group, _, word = path.rpartition("/")
    known = _options(group)
    if (package := plugins.offers(group, word)) is not None:
        return f"{group}={word}: it is an option of {package}, which needs allow={package}"
    return (
        f"{group}={word}: no such option; there are {', '.join(known)}{did_you_mean(word, known)}"
    )


def _known_config(overrides: list[str]) -> DictConfig:
    """Return the config of the options that the overrides choose, or the default one."""
    options = [word for word in overrides if (CONF / word.partition("=")[0]).is_dir()]
    for choice in (options, []):
        with contextlib.suppress(HydraException, OmegaConfBaseException), hydra_in_conf() as hydra:
            return _compose(hydra, choice)
    return OmegaConf.create()  # conf/ itself is wrong


def override(config: DictConfig, overrides: list[str], *, groups: tuple[str, ...]) -> DictConfig:
    """Return a run's config with overrides applied as Hydra applies them.

    overrides: `key=value` for keys that exist, or `group=option`, for example "data=random".
    groups: the groups that may change, for example ("data", "trainer").

    Raises:
        ConfigError: a key of another group, or one that does not exist.
    """
    parsed = _parse(overrides)
    changed = config.copy()
    for item in parsed:
        group = item.key_or_group.split(".")[0]
        if group not in groups:
            raise ConfigError(
                f"{item.input_line}: only {' and '.join(groups)} can change here"
                f"{did_you_mean(group, groups)}"
            )
    chosen = [item for item in parsed if OmegaConf.is_dict(config.get(item.key_or_group))]
    for item in chosen:
        composed = without_hydra(compose_config([item.input_line or ""]))
        resolved = OmegaConf.to_container(composed[item.key_or_group], resolve=True)
        with open_dict(changed):
            changed[item.key_or_group] = literal_values(resolved)
    for item in parsed:
        if item in chosen:
            continue
        if OmegaConf.select(changed, item.key_or_group, default=_MISSING) is _MISSING:
            raise ConfigError(unknown_key(item.key_or_group, config))
        OmegaConf.update(changed, item.key_or_group, item.value())
    return changed


def override_keys(config: DictConfig, overrides: list[str]) -> DictConfig:
    """Return a run's config with single keys overridden, for `resume`.

    overrides: `key=value`, for example "trainer.max_epochs=40", or `logger=option`.

    Raises:
        ConfigError: an override that cannot be parsed, adds or deletes a key, or chooses an
            option of another group than logger.
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
