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

from unrolled.config.choices import ALLOWED_TARGETS
from unrolled.errors import ConfigError, UnrolledError, did_you_mean

FUNCTIONS = "unrolled.classifier.schedules."  # the only functions that a config can name
NO_ARGUMENTS = ("recipe", "parameter_budget")  # keys of a node that are not arguments of its class


def make(config: DictConfig, name: str, **arguments: Any) -> Any:
    """Return the object that config[name] describes.

    arguments: arguments that the data or other objects determine. They replace keys of the node.

    Raises:
        ConfigError: the class does not have one of the keys, or refuses a value.
    """
    node = config[name].copy()
    with open_dict(node):
        for key in NO_ARGUMENTS:
            node.pop(key, None)
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

    The config may come from a run folder of somebody else, so nothing but classes of known
    packages is called, wherever in the config the node is.

    Raises:
        ConfigError: the node does not name such a class, or the class lacks a parameter.
    """
    if not target.startswith(ALLOWED_TARGETS):
        packages = ", ".join(package[:-1] for package in ALLOWED_TARGETS)
        raise ConfigError(f"{name}._target_={target}: need a class of {packages}")
    try:
        factory: Callable[..., Any] = get_object(target)
        parameters = inspect.signature(factory).parameters
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{name}._target_={target}: {error}") from error
    if not inspect.isclass(factory) and not target.startswith(FUNCTIONS):
        raise ConfigError(f"{name}._target_={target}: need a class, not a function")
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
