"""Lets `data=NAME` mean NAME.yaml in the working folder, such as `unrolled inspect` writes."""

from pathlib import Path

from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from omegaconf import OmegaConf

GROUP = "data"


class WorkingFolder(ConfigSource):
    """A place where Hydra looks for options of the group `data`, after all others."""

    @staticmethod
    def scheme() -> str:
        """Return what stands before :// in hydra.searchpath."""
        return "here"

    def load_config(self, config_path: str) -> ConfigResult:
        """Return the config of a file.

        Raises:
            ConfigLoadError: there is no such file.
        """
        path = _path(config_path)
        if path is None:
            raise ConfigLoadError(f"Config not found : {config_path}")
        text = path.read_text(encoding="utf-8")
        return ConfigResult(
            provider=self.provider,
            path=self.full_path(),
            config=OmegaConf.create(text),
            header=ConfigSource._get_header_dict(text[:512]),
        )

    def is_group(self, config_path: str) -> bool:
        """Return whether options of this group are looked for."""
        return config_path in ("", GROUP)

    def is_config(self, config_path: str) -> bool:
        """Return whether there is a file for this option."""
        return _path(config_path) is not None

    def available(self) -> bool:
        """Return true: a process has a working folder."""
        return True

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """Return nothing: not every YAML file of a working folder is an option."""
        return []


def register() -> None:
    """Let Hydra know the place, which conf/train.yaml names."""
    Plugins.instance().register(WorkingFolder)


def names(group: str) -> list[str]:
    """Return the options of a group that stand in the working folder: `inspect` wrote them."""
    files = Path().glob("*.yaml") if group == GROUP else ()
    return [file.stem for file in files if "- files" in file.read_text("utf-8", errors="replace")]


def _path(config_path: str) -> Path | None:
    group, _, name = config_path.partition("/")
    path = Path(name if name.endswith(".yaml") else f"{name}.yaml")
    return path if group == GROUP and name and path.is_file() else None
