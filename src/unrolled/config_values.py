"""Configs as plain values: resolved, hashed, named."""

import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.resolvers.oc import env

# Keys that say where and how a run is carried out, not what it computes.
NOT_IDENTITY = (
    "hydra",
    "logger",
    "callbacks",
    "checkpoint",
    "data.dir",
    "trainer.enable_progress_bar",
    "trainer.profiler",
)

LENGTH = ("trainer.max_epochs", "trainer.max_steps", "trainer.max_time")  # what ends a run


def register_resolvers() -> None:
    """Let configs say ${run_id:} (six random hexadecimal digits) and ${safe_name:TEXT}."""
    OmegaConf.register_new_resolver(
        "run_id", lambda: secrets.token_hex(3), use_cache=True, replace=True
    )
    OmegaConf.register_new_resolver("safe_name", safe_name, replace=True)


def safe_name(text: str) -> str:
    """Return text as a folder name: only letters, digits, dot, underscore and hyphen."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", str(text)).strip("-")[:150] or "run"


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


def config_hash(config: DictConfig) -> str:
    """Return a hash of what the run computes: the resolved config less where and how it runs."""
    plain = resolve(config)
    for key in NOT_IDENTITY:
        *parents, last = key.split(".")
        node = plain
        for parent in parents:
            node = node.get(parent, {})
        node.pop(last, None)
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]


def is_longer(before: Mapping[Any, Any], after: Mapping[Any, Any]) -> bool:
    """Return whether what ends a run differs between two configs."""
    keys = (key.removeprefix("trainer.") for key in LENGTH)
    return any(before["trainer"][key] != after["trainer"][key] for key in keys)


def _as_reference(*arguments: str) -> str:
    return "${oc.env:" + ",".join(str(argument) for argument in arguments) + "}"
