"""Makes the objects that a config describes.

A node with `_target_` names a class, and its other keys are the arguments. `_partial_: true` binds
the arguments and leaves the call to others. Nodes may be nested.
"""

import importlib
import inspect
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from unrolled.data.files.paths import require_data_paths
from unrolled.errors import ConfigError, UnrolledError, did_you_mean

NO_ARGUMENTS = ("recipe", "parameter_budget")  # keys of a node that are not arguments of its class


def make(config: DictConfig, name: str, **arguments: Any) -> Any:
    """Return the object that config[name] describes.

    arguments: arguments that the data or other objects determine; they replace keys of the node.

    Raises:
        ConfigError: the class does not have one of the keys, or refuses a value.
    """
    node = config[name].copy()
    with open_dict(node):
        for key in NO_ARGUMENTS:
            node.pop(key, None)
        if "source" in node:
            _give_to_source(node)
    if "_target_" not in node:
        raise ConfigError(f"{name} has no _target_; choose an option with {name}=OPTION")
    return _made(OmegaConf.to_container(node, resolve=True), name, arguments)


def _made(node: Any, name: str, arguments: dict[str, Any]) -> Any:
    """Return the object of a node, or a plain value as it is.

    name: dotted key of the node, for messages.
    """
    if not isinstance(node, dict):
        return node
    keys = [key for key in node if key not in ("_target_", "_partial_")]
    target = node.get("_target_")
    factory = None if target is None else _factory(target, keys, name)
    values = {key: _made(node[key], f"{name}.{key}", {}) for key in keys}
    values |= arguments
    if factory is None:
        return values
    if node.get("_partial_", False):
        return partial(factory, **values)
    try:
        return factory(**values)
    except UnrolledError:
        raise
    except Exception as error:
        raise ConfigError(f"{name}: {error}") from error


def _factory(target: str, keys: Iterable[str], name: str) -> Callable[..., Any]:
    """Return the class that a node names, if it has a parameter for each key.

    Raises:
        ConfigError: there is no such class, or it lacks a parameter.
    """
    try:
        factory: Callable[..., Any] = get_object(target)
        parameters = inspect.signature(factory).parameters
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{name}._target_={target}: {error}") from error
    if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        for key in keys:
            if key not in parameters:
                hint = did_you_mean(key, parameters)
                raise ConfigError(f"{name}.{key}: {target} has no such setting{hint}")
    return factory


def get_object(target: str) -> Any:
    """Return the class or function with this full name, e.g. torch.optim.AdamW."""
    module, _, name = target.rpartition(".")
    return getattr(importlib.import_module(module), name)


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
