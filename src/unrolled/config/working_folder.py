"""Makes NAME.yaml in the working folder an option data=NAME; `unrolled inspect` writes it."""

import re
from pathlib import Path

import yaml
from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from unrolled.errors import ConfigError

GROUP = "data"
UNREADABLE = (yaml.YAMLError, OmegaConfBaseException, UnicodeDecodeError, OSError, RecursionError)


class WorkingFolder(ConfigSource):
    """A source of options of the group `data`, which Hydra searches after all others."""

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
        try:
            text = path.read_text(encoding="utf-8")
            config = OmegaConf.create(text)
        except UNREADABLE as error:
            raise ConfigError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
        header = ConfigSource._get_header_dict(text[:512])
        _require_own_group(path, config, header)
        return ConfigResult(
            provider=self.provider, path=self.full_path(), config=config, header=header
        )

    def is_group(self, config_path: str) -> bool:
        """Return whether the working folder can have options of this group."""
        return config_path in ("", GROUP)

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
    """Return the options of a group that `inspect` has written to the working folder."""
    files = Path().glob("*.yaml") if group == GROUP else ()
    return [file.stem for file in files if "- files" in file.read_text("utf-8", errors="replace")]


def _require_own_group(path: Path, config: object, header: dict[str, str | None]) -> None:
    """Refuse a file that sets more than its own group.

    Raises:
        ConfigError: the file has a package of its own, or chooses options of other groups.
    """
    if header.get("package") not in (None, GROUP):
        raise ConfigError(
            f"{path}: `# @package {header['package']}` is not allowed here; the file can only set "
            f"keys of {GROUP}"
        )
    if not isinstance(config, DictConfig):
        raise ConfigError(f"{path}: need keys with values, such as `path: data.csv`")
    for entry in config.get("defaults") or ():
        if not isinstance(entry, str) or not re.fullmatch(r"[\w.-]+", entry):
            raise ConfigError(
                f"{path}: `defaults: [{entry}]` is not allowed here; the file can only name "
                f"options of {GROUP}, such as files"
            )


def _path(config_path: str) -> Path | None:
    group, _, name = config_path.partition("/")
    path = Path(name if name.endswith(".yaml") else f"{name}.yaml")
    return path if group == GROUP and name and path.is_file() else None
