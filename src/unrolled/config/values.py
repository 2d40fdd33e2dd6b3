"""Configs as plain values: resolved, hashed, named."""

import hashlib
import json
import re
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.resolvers.oc import env

# Keys that say where and how a run is carried out, not what it computes.
NOT_IDENTITY = (
    "hydra",
    "logger",
    "callbacks.progress",
    "callbacks.pruning",
    "callbacks.tensorboard_views",
    "callbacks.watchdog",
    "checkpoint",
    "keep_memory",
    "sweep",
    "data.dir",
    "trainer.enable_progress_bar",
    "trainer.profiler",
)

MAX_NAME_LENGTH = 120  # of a job's folder; file systems allow 255

LENGTH = ("trainer.max_epochs", "trainer.max_steps", "trainer.max_time")  # what ends a run


def register_resolvers() -> None:
    """Let configs say ${run_id:} (six random hexadecimal digits) and ${job_name:OVERRIDES}."""
    OmegaConf.register_new_resolver(
        "run_id", lambda: secrets.token_hex(3), use_cache=True, replace=True
    )
    OmegaConf.register_new_resolver("job_name", job_name, replace=True)


def job_name(overrides: str) -> str:
    """Return overrides (a=1,b=x) as a folder name (a-1_b-x) of A-Z, a-z, 0-9, dot, _ and hyphen.

    What changes no result is left out. What cannot be said so, or not in 120 characters, ends with
    a hash that tells it from others; choices and the seed are then kept rather than single keys.
    """
    words = [word for word in overrides.split(",") if not word.startswith(NOT_IDENTITY)]
    text = ",".join(words)
    if re.fullmatch(r"[A-Za-z0-9._,=-]*", text) and len(text) <= MAX_NAME_LENGTH:
        return _safe(text)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    text = ",".join(sorted(words, key=lambda word: "." in word.split("=")[0]))
    return f"{_safe(text)[: MAX_NAME_LENGTH - 9]}-{digest}"


def _safe(text: str) -> str:
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text.replace(",", "_"))
    return name.strip("-.") or "defaults"


def resolve(config: DictConfig) -> dict[str, Any]:
    """Return the config as plain values, every interpolation replaced but those of secrets.

    A value read from the environment (${oc.env:NAME}) stays the reference that it is, so that
    a password never reaches a file.
    """
    OmegaConf.register_new_resolver("oc.env", _as_reference, replace=True)
    try:
        plain = OmegaConf.to_container(config, resolve=True)
    finally:
        OmegaConf.register_new_resolver("oc.env", env, replace=True)
    assert isinstance(plain, dict)
    return plain  # type: ignore[return-value]


def identity(config: DictConfig) -> dict[str, Any]:
    """Return what the run computes: the resolved config less where and how it is carried out."""
    plain = resolve(config)
    for key in NOT_IDENTITY:
        *parents, last = key.split(".")
        node = plain
        for parent in parents:
            node = node.get(parent) or {}
        node.pop(last, None)
    return plain


def class_name(node: Mapping[str, Any]) -> str:
    """Return the name of the class that a node makes, e.g. LSTM; for a stack, that of its layer."""
    return str(node.get("layer", node)["_target_"]).rpartition(".")[2]


def config_hash(config: DictConfig) -> str:
    """Return a hash of what the run computes."""
    return hashlib.sha256(json.dumps(identity(config), sort_keys=True).encode()).hexdigest()[:16]


def leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every dotted key of nested plain values with its value; a list is a value."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def is_longer(before: Mapping[Any, Any], after: Mapping[Any, Any]) -> bool:
    """Return whether what ends a run differs between two configs."""
    keys = (key.removeprefix("trainer.") for key in LENGTH)
    return any(before["trainer"][key] != after["trainer"][key] for key in keys)


def _as_reference(*arguments: str) -> str:
    return "${oc.env:" + ",".join(str(argument) for argument in arguments) + "}"
