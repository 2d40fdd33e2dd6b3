"""Folders of options, such as --config-dir=DIR, whose files are checked before Hydra reads them."""

from pathlib import Path

from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra._internal.sources_registry import SourcesRegistry
from hydra.plugins.config_source import ConfigResult

from unrolled.config.plain_yaml import read_options


class CheckedFiles(FileConfigSource):
    """A folder of config files that may be damaged or come from somebody else."""

    def load_config(self, config_path: str) -> ConfigResult:
        """Return the config in a file.

        config_path: group and option, for example "model/lstm".

        Raises:
            ConfigLoadError: there is no such file.
            ConfigError: it cannot be read, is too large, or is not YAML.
        """
        path = Path(self.path, self._normalize_file_name(config_path))
        if path.is_file():
            read_options(path)
        return super().load_config(config_path)


def register() -> None:
    """Let Hydra read every file:// folder of its search path with these checks."""
    SourcesRegistry.instance().types[CheckedFiles.scheme()] = CheckedFiles
