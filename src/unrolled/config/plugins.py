"""Options of installed packages, which they offer as entry points of the group unrolled.plugins.

An entry point names a folder of config groups in a package, or a class:

    [project.entry-points."unrolled.plugins"]
    my_package = "my_package.conf"
    my_cell = "my_package.cells:MyCell"

The first makes my_package/conf/model/NAME.yaml an option model=NAME, and so on for every group. The
second makes model=my_cell, data=my_cell or callbacks=[default,my_cell] an option with the
parameters of the constructor as keys. Both need allow=my_package. Without it, only the names of
entry points are read, and nothing is imported.
"""

import importlib.util
import inspect
import re
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from hydra.core.config_search_path import ConfigSearchPath, SearchPathElement
from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from omegaconf import MISSING, OmegaConf

from unrolled.config.classes import allowed_packages, is_allowed
from unrolled.errors import ConfigError

GROUP = "unrolled.plugins"
SCHEME = "plugin"
PLAIN = (bool, int, float, str, list, tuple, type(None))  # types that a config can hold
FROM_DATA = ("sizes", "input_size", "num_steps")  # parameters that are no settings


class PluginClasses(ConfigSource):
    """A source of options that installed packages offer as classes; its path is a package."""

    @staticmethod
    def scheme() -> str:
        """Return the name before :// in a search path."""
        return SCHEME

    def load_config(self, config_path: str) -> ConfigResult:
        """Return the config of an option, for example "model/my_cell".

        Raises:
            ConfigLoadError: the package has no such class.
        """
        found = self._entry_point(config_path)
        if found is None:
            raise ConfigLoadError(f"Config not found : {config_path}")
        return ConfigResult(
            provider=self.provider,
            path=self.full_path(),
            config=OmegaConf.create(_config(config_path, found)),
            header={"package": None},
        )

    def is_group(self, config_path: str) -> bool:
        """Return whether classes can be options of this group."""
        return config_path in ("", *_CONFIGS)

    def is_config(self, config_path: str) -> bool:
        """Return whether the package has a class of this name."""
        return self._entry_point(config_path) is not None

    def available(self) -> bool:
        """Return true: that the package is installed was checked when it was allowed."""
        return True

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """Return an empty list, because only the class itself shows to which group it belongs."""
        return []

    def _entry_point(self, config_path: str) -> EntryPoint | None:
        group, _, name = config_path.removesuffix(".yaml").partition("/")
        if group not in _CONFIGS:
            return None
        offered = (point for point in _class_points() if point.name == name)
        return next((p for p in offered if _is_in(p, self.path)), None)


# The config of an option, from its name and the node of its class, by group.
_CONFIGS: dict[str, Any] = {
    "model": lambda name, node: node,
    "data": lambda name, node: {"defaults": ["_module", "_self_"], "source": node},
    "callbacks": lambda name, node: {name: node},
}


def register() -> None:
    """Register the source with Hydra."""
    Plugins.instance().register(PluginClasses)


def add_to(search_path: ConfigSearchPath) -> None:
    """Add the options of the packages that `allow` names to a search path.

    Raises:
        ConfigError: an entry point names a folder that its package lacks.
    """
    if not allowed_packages():
        return
    places = [
        f"{SCHEME}://{point.module.split('.')[0]}" if point.attr else f"file://{_folder(point)}"
        for point in entry_points(group=GROUP)
        if is_allowed(f"{point.module}.")
    ]
    path = search_path.get_path()
    for place in dict.fromkeys(places):
        path.insert(len(path) - 1, SearchPathElement(GROUP, place))  # Hydra's schema stays last


def check_search_path(overrides: Sequence[str]) -> None:
    """Refuse a package in hydra.searchpath that is not allowed, because Hydra would import it.

    overrides: words of the command line.

    Raises:
        ConfigError: the message names the package.
    """
    for word in overrides:
        if word.lstrip("+").startswith("hydra.searchpath="):
            for package in re.findall(rf"(?:pkg|{SCHEME})://([\w.]+)", word):
                if not is_allowed(f"{package}."):
                    raise ConfigError(f"{word}: {package} needs allow={package.split('.')[0]}")


def offers(group: str, option: str) -> str | None:
    """Return the package that offers an option and is not allowed, or None; nothing is imported."""
    for point in entry_points(group=GROUP):
        if is_allowed(f"{point.module}."):
            continue
        if point.attr and point.name == option and group in _CONFIGS:
            return point.module.split(".")[0]
        if not point.attr and _has_file(point, f"{group}/{option}.yaml"):
            return point.module.split(".")[0]
    return None


def _class_points() -> list[EntryPoint]:
    return [point for point in entry_points(group=GROUP) if point.attr]


def _is_in(point: EntryPoint, package: str) -> bool:
    return point.module.split(".")[0] == package


def _has_file(point: EntryPoint, name: str) -> bool:
    """Return whether an installed folder of configs has a file, without importing its package."""
    if point.dist is None:
        return False
    return any(
        str(path) == f"{point.module.replace('.', '/')}/{name}" for path in point.dist.files or ()
    )


def _folder(point: EntryPoint) -> Path:
    """Return the folder of configs that an entry point of an allowed package names."""
    package, *rest = point.module.split(".")
    spec = importlib.util.find_spec(package)
    places = [] if spec is None else list(spec.submodule_search_locations or ())
    for place in places:
        if (folder := Path(place, *rest)).is_dir():
            return folder
    raise ConfigError(
        f"allow={package}: its entry point {point.name} = {point.value} names no folder in "
        f"{', '.join(places) or package}"
    )


def _config(config_path: str, point: EntryPoint) -> dict[str, Any]:
    """Return the config of a class: its name, and the parameters of its constructor as keys."""
    node: dict[str, Any] = {"_target_": f"{point.module}.{point.attr}"}
    for name, parameter in inspect.signature(point.load()).parameters.items():
        if name in FROM_DATA or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        value = MISSING if parameter.default is parameter.empty else parameter.default
        if isinstance(value, PLAIN):
            node[name] = value
    group, _, name = config_path.removesuffix(".yaml").partition("/")
    config: dict[str, Any] = _CONFIGS[group](name, node)
    return config
