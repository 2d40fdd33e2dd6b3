"""Makes NAME.yaml in the working folder an option, such as data=NAME or model=NAME.

`unrolled inspect` writes such a file for data. A file for a model needs only two lines:

    _target_: my_package.MyCell
    hidden_size: 64
"""

import re
from collections.abc import Mapping
from pathlib import Path

from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from omegaconf import DictConfig

from unrolled.config.conf_folder import CONF
from unrolled.config.plain_yaml import LARGEST, read_options
from unrolled.errors import ConfigError

GROUPS = ("data", "model", "stem", "head", "optimizer", "scheduler")


class WorkingFolder(ConfigSource):
    """A source of options of GROUPS, which Hydra searches after all others."""

    @staticmethod
    def scheme() -> str:
        """Return the name before :// in hydra.searchpath."""
        return "here"

    def load_config(self, config_path: str) -> ConfigResult:
        """Return the config in a file.

        config_path: group and option, for example "data/my_data".

        Raises:
            ConfigLoadError: there is no such file.
            ConfigError: it is not YAML, or sets more than its own group.
        """
        path = _path(config_path)
        if path is None:
            raise ConfigLoadError(f"Config not found : {config_path}")
        text, config = read_options(path)
        header = ConfigSource._get_header_dict(text[:512])
        _require_own_group(path, config, header, group=config_path.partition("/")[0])
        return ConfigResult(
            provider=self.provider, path=self.full_path(), config=config, header=header
        )

    def is_group(self, config_path: str) -> bool:
        """Return whether the working folder can have options of this group."""
        return config_path in ("", *GROUPS)

    def is_config(self, config_path: str) -> bool:
        """Return whether there is a file for this option."""
        return _path(config_path) is not None

    def available(self) -> bool:
        """Return true, because a process always has a working folder."""
        return True

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """Return an empty list, because a YAML file in the working folder need not be an option."""
        return []


def register() -> None:
    """Register the source with Hydra; conf/train.yaml names it in hydra.searchpath."""
    Plugins.instance().register(WorkingFolder)


def names(group: str) -> list[str]:
    """Return the options of a group in the working folder, as far as their text shows it."""
    files = Path().glob("*.yaml") if group in GROUPS else ()
    return [file.stem for file in files if _looks_like(file, group)]


def refuse_hidden_files(choices: Mapping[str, str | None]) -> None:
    """Refuse a file with the name of a chosen built-in option, which would be ignored.

    choices: the chosen option of each group.

    Raises:
        ConfigError: the message names the file.
    """
    for group in GROUPS:
        path = Path(f"{choices.get(group)}.yaml")
        if (CONF / group / path).is_file() and path.is_file() and _looks_like(path, group):
            raise ConfigError(
                f"{path.absolute()}: {group}={path.stem} is a built-in option, so this file is "
                "ignored; rename it"
            )


def _looks_like(path: Path, group: str) -> bool:
    """Return whether a file seems to be an option of a group; one that cannot be read is not."""
    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            return False
        text = path.read_text("utf-8", errors="replace")
    except OSError:
        return False
    pattern = r"- files|^source:" if group == "data" else "^_target_:"
    return re.search(pattern, text, re.MULTILINE) is not None


def _require_own_group(
    path: Path, config: object, header: dict[str, str | None], *, group: str
) -> None:
    """Refuse a file that sets more than its own group.

    Raises:
        ConfigError: the file has a package of its own, or chooses options of other groups.
    """
    if header.get("package") not in (None, group):
        raise ConfigError(
            f"{path}: `# @package {header['package']}` is not allowed here; the file can only set "
            f"keys of {group}"
        )
    if not isinstance(config, DictConfig):
        example = "path: data.csv" if group == "data" else "_target_: my_package.MyClass"
        raise ConfigError(f"{path}: need keys with values, such as `{example}`")
    for entry in config.get("defaults") or ():
        if not isinstance(entry, str) or not re.fullmatch(r"[\w.-]+", entry):
            raise ConfigError(
                f"{path}: `defaults: [{entry}]` is not allowed here; the file can only name "
                f"options of {group}"
            )


def _path(config_path: str) -> Path | None:
    group, _, name = config_path.partition("/")
    path = Path(name if name.endswith(".yaml") else f"{name}.yaml")
    return path if group in GROUPS and name and path.is_file() else None
