"""Caches for what Hydra and OmegaConf would read and parse again for each config of a process.

Composing one config reads about 30 files and parses about 200 interpolations and all overrides.
They are the same for most runs of a sweep, an ensemble or a notebook. The caches save half of the
time.
"""

import pickle
from functools import cache, lru_cache
from pathlib import Path

import omegaconf.base
from hydra._internal import defaults_list
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.core.default_element import InputDefault
from hydra.core.override_parser.overrides_parser import OverridesParser, create_functions
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig, OmegaConf
from omegaconf.grammar_parser import parse


class CachedFiles(FileConfigSource):
    """A folder of config files. A file is read once, and again if it has changed."""

    @staticmethod
    def scheme() -> str:
        """Return the name before :// in a search path."""
        return "cached"

    def load_config(self, config_path: str) -> ConfigResult:
        """Return the config in a file.

        config_path: group and option, for example "model/lstm".

        Raises:
            ConfigLoadError: there is no such file.
        """
        path = Path(self.path, self._normalize_file_name(config_path))
        changed_at = path.stat().st_mtime_ns if path.is_file() else None
        read = _read(self.provider, self.path, config_path, changed_at)
        result: ConfigResult = pickle.loads(read)  # noqa: S301 - made below
        return result


@cache
def _read(provider: str, folder: str, config_path: str, changed_at: int | None) -> bytes:
    """Return a pickle, which is loaded several times faster than a config is copied."""
    return pickle.dumps(FileConfigSource(provider, folder).load_config(config_path))


def register() -> None:
    """Register the source with Hydra, and parse each interpolation and each override once."""
    Plugins.instance().register(CachedFiles)
    omegaconf.base.parse = _parse  # type: ignore[attr-defined]
    OverridesParser.parse_rule = _parse_rule  # type: ignore[assignment, method-assign]
    defaults_list._create_interpolation_map = _interpolation_map  # type: ignore[assignment]


def _parse_rule(parser: OverridesParser, text: str, rule: str) -> object:
    return pickle.loads(_parsed_rule(text, rule))  # noqa: S301 - made below


@lru_cache(maxsize=10_000)
def _parsed_rule(text: str, rule: str) -> bytes:
    """Return a pickle of an override, which Hydra changes; an error is not cached."""
    return pickle.dumps(_PARSE_RULE(OverridesParser(create_functions()), text, rule))


def _interpolation_map(
    overrides: defaults_list.Overrides, defaults: list[InputDefault], self_added: bool
) -> DictConfig:
    """Return what `${...}` in a defaults list can refer to; few lists have one."""
    if any("${" in f"{vars(default)}" for default in defaults):
        return _INTERPOLATION_MAP(overrides, defaults, self_added)
    return OmegaConf.create()


_PARSE_RULE = OverridesParser.parse_rule
_INTERPOLATION_MAP = defaults_list._create_interpolation_map
_parse = lru_cache(maxsize=10_000)(parse)  # the tree that it returns is only read
