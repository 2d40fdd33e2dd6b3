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

from unrolled.config.classes import check_class
from unrolled.errors import ConfigError, UnrolledError, did_you_mean
from unrolled.memory import is_out_of_memory

NO_ARGUMENTS = ("recipe", "parameter_budget")  # keys of a node that are not arguments of its class


def make(config: DictConfig, name: str, *, kind: str | None = None, **arguments: Any) -> Any:
    """Return the object that config[name] describes.

    kind: dotted key of the node in the whole config, which determines the classes that it can name
        (see `config.classes`); None if it is the name.
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
    values: Any = OmegaConf.to_container(node, resolve=True)
    return make_plain(values, kind or name, kind=kind or name, **arguments)


def make_plain(node: dict[str, Any], name: str, *, kind: str, **arguments: Any) -> Any:
    """Return the object that a node of plain values describes; see `make`."""
    return _made(node, name, kind, arguments)


def _made(node: Any, name: str, kind: str, arguments: dict[str, Any]) -> Any:
    """Return the object of a node, or a plain value as it is.

    name: dotted key of the node, for messages.
    """
    if not isinstance(node, dict):
        return node
    keys = [key for key in node if key not in ("_target_", "_partial_")]
    target = node.get("_target_")
    factory = None if target is None else _factory(target, keys, name, kind)
    values = {key: _made(node[key], f"{name}.{key}", f"{kind}.{key}", {}) for key in keys}
    values |= arguments
    if factory is None:
        return values
    if node.get("_partial_", False):
        return partial(_call, factory, name, **values)
    return _call(factory, name, **values)


def _call(factory: Callable[..., Any], name: str, /, *positional: Any, **values: Any) -> Any:
    """Return the object that a class makes of its arguments.

    name: dotted key of the node.

    Raises:
        ConfigError: the class refuses an argument.
    """
    try:
        return factory(*positional, **values)
    except UnrolledError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise ConfigError(f"{name}: {error}") from error


def _factory(target: str, keys: Iterable[str], name: str, kind: str) -> type:
    """Return the class that a node names, if it has a parameter for each key.

    Raises:
        ConfigError: the node cannot name this class (see `config.classes`), or the class lacks a
            parameter.
    """
    factory = get_class(target, kind=kind)
    parameters = inspect.signature(factory).parameters
    if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        for key in keys:
            if key not in parameters:
                hint = did_you_mean(key, parameters)
                raise ConfigError(f"{name}.{key}: {target} has no such setting{hint}")
    return factory


def get_class(target: str, *, kind: str) -> type:
    """Return the class that a node names.

    kind: dotted key of the node; see `make`.

    Raises:
        ConfigError: the node cannot name this class (see `config.classes`), or there is none.
    """
    expected = check_class(kind, target)
    try:
        found = get_object(target)
        bases = tuple(map(get_object, expected.bases))
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"{kind}._target_={target}: {error}") from error
    if not (inspect.isclass(found) and issubclass(found, bases)):
        raise ConfigError(
            f"{kind}._target_={target}: need a class derived from {' or '.join(expected.bases)}"
        )
    return found


def get_object(target: str) -> Any:
    """Return the class or function with this full name, e.g. torch.optim.AdamW."""
    module, _, name = target.rpartition(".")
    return getattr(importlib.import_module(module), name)
