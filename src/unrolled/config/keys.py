"""Keys that a config does not have: messages that name similar ones."""

from typing import Any

from omegaconf import DictConfig

from unrolled.errors import closest


def unknown_key(key: str, config: DictConfig) -> str:
    """Return a message on a dotted key that the config does not have.

    It names the first part that does not exist and similar keys, or else the keys there are.
    """
    path, node = _existing(key, config)
    parent = ".".join(path)
    if not isinstance(node, DictConfig):
        return f"{key}: {parent} is a value, which has no keys"
    name = key.split(".")[len(path)]
    hint = similar_key(key, config)
    if not hint:
        known = sorted(str(n) for n in node if n != "hydra" and str(n)[0] != "_")
        hint = f"; {parent or 'the config'} has {', '.join(known)}" if known else ""
    return f"{key}: {f'{parent} has no key {name!r}' if parent else 'no such key'}{hint}"


def similar_key(key: str, config: DictConfig) -> str:
    """Return "; did you mean 'x'?" for the existing key that a dotted one resembles, or ""."""
    path, node = _existing(key, config)
    if not isinstance(node, DictConfig):
        return ""
    name, *rest = key.split(".")[len(path) :]
    parent = "".join(f"{part}." for part in path)
    known = set(all_keys(config))
    siblings = [child for child in map(str, node) if not child.startswith("_")]
    if close := closest(name, siblings):
        whole = ".".join([f"{parent}{close}", *rest])
        return f"; did you mean {whole if whole in known else f'{parent}{close}'!r}?"
    last = key.rsplit(".", 1)[-1]
    elsewhere = sorted(other for other in known if other.rsplit(".", 1)[-1] == last)
    if not elsewhere and not path and (close := closest(last, known)):
        elsewhere = [close]
    return f"; did you mean {' or '.join(map(repr, elsewhere))}?" if elsewhere else ""


def _existing(key: str, config: DictConfig) -> tuple[list[str], Any]:
    """Return the leading parts of a dotted key that exist, and the node that they lead to."""
    path: list[str] = []
    node: Any = config
    for name in key.split("."):
        if not isinstance(node, DictConfig) or node._is_none() or name not in node:
            break
        path.append(name)
        node = node._get_node(name)
    return path, node


def all_keys(config: DictConfig) -> list[str]:
    """Return every dotted key of the config, including its nodes."""
    keys = []
    for name in config:
        key = config._get_full_key(name)
        keys.append(key)
        child = config._get_node(name)
        if isinstance(child, DictConfig) and not child._is_none() and not child._is_interpolation():
            keys.extend(all_keys(child))
    return keys
