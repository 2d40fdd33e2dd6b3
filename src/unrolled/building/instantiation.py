"""Makes the objects that a config names, after a look at whether its keys mean anything."""

import inspect
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf, open_dict

from unrolled.data.files.paths import require_data_paths
from unrolled.errors import ConfigError, UnrolledError, did_you_mean

FOR_OTHERS = ("recipe", "parameter_budget")  # what a node says to other readers than its class


def make(config: DictConfig, name: str, **sizes: Any) -> Any:
    """Return the object that config[name] describes.

    sizes: what no config fixes, because the data or another object does.

    Raises:
        ConfigError: a key that the class does not have, or a value that it refuses.
    """
    node = config[name].copy()
    with open_dict(node):
        for key in FOR_OTHERS:
            node.pop(key, None)
        if "source" in node:
            _give_to_source(node)
    if "_target_" not in node:
        raise ConfigError(f"{name} has no _target_: choose another {name}=OPTION")
    _refuse_unknown_keys(node, name)
    try:
        return instantiate(node, **sizes, _convert_="all")
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, UnrolledError):
            raise cause from error
        raise ConfigError(f"{name}: {cause or error}") from error


def taken(node: DictConfig, sizes: dict[str, int]) -> dict[str, int]:
    """Return those of the sizes that the node's class asks for."""
    try:
        parameters = inspect.signature(get_object(node._target_)).parameters
    except (ImportError, AttributeError):
        return sizes  # `make` tells what is wrong
    return {name: size for name, size in sizes.items() if name in parameters}


def prepare_source(config: DictConfig) -> None:
    """Let the source find or fetch its files, before anything as slow as Lightning is imported.

    Raises:
        DataError: they are neither here nor to be had.
    """
    require_data_paths(config.data)
    node = config.data.copy()
    with open_dict(node):
        _give_to_source(node)
    make(node, "source").prepare()


def _give_to_source(data: DictConfig) -> None:
    """Move the keys that the source's class takes (data.dir) to the source."""
    try:
        parameters = inspect.signature(get_object(data.source._target_)).parameters
    except (ImportError, AttributeError):
        return  # is told when the source is made
    for key in [str(key) for key in data if key in parameters]:
        data.source[key] = data.pop(key)


def _refuse_unknown_keys(node: DictConfig, name: str) -> None:
    target = node.get("_target_")
    if target is not None:
        try:
            parameters = inspect.signature(get_object(target)).parameters
        except (ImportError, AttributeError) as error:
            raise ConfigError(f"{name}._target_={target}: {error}") from error
        takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        for key in map(str, node):
            if key not in parameters and not takes_any and not key.startswith("_"):
                hint = did_you_mean(key, parameters)
                raise ConfigError(f"{name}.{key}: {target} has no such setting{hint}")
    for child_name, child in node.items():
        if OmegaConf.is_dict(child):
            _refuse_unknown_keys(child, f"{name}.{child_name!s}")
