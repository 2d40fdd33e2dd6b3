"""Configs as plain values: resolving, hashing and naming them."""

import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import Container, DictConfig, Node, OmegaConf
from omegaconf.resolvers.oc import decode, env

from unrolled.config.literal import literal_values
from unrolled.masking import mask, remember

# Keys that do not change the result of a run, such as its loggers.
NOT_IDENTITY = (
    "hydra",
    "logger",
    "callbacks.progress",
    "callbacks.pruning",
    "callbacks.tensorboard_views",
    "callbacks.watchdog",
    "checkpoint",
    "keep_memory",
    "report",
    "store_diff",
    "sweep",
    "data.dir",
    "trainer.enable_progress_bar",
    "trainer.profiler",
)

MAX_NAME_LENGTH = 120  # characters of a job's folder name; file systems allow 255

BASELINES = "unrolled.baselines."  # package of the models that are fitted without a training loop

ARRAYS = "unrolled.data.arrays.source.Arrays"

REFERENCE = "\ue000"  # stands for the $ of ${oc.env:NAME}; a private sign that no file has

LENGTH = ("trainer.max_epochs", "trainer.max_steps", "trainer.max_time")  # the length of a run


def register_resolvers() -> None:
    """Register the functions that configs call.

    ${run_id:} is six random hexadecimal digits. ${oc.env:NAME} is OmegaConf's own, and its values
    are masked in files and messages. ${is_trained:} is whether the model has a training loop. For
    the others see `job_name` and `direction`.
    """
    OmegaConf.register_new_resolver("is_trained", _is_trained, replace=True)
    OmegaConf.register_new_resolver(
        "run_id", lambda: secrets.token_hex(3), use_cache=True, replace=True
    )
    OmegaConf.register_new_resolver("job_name", job_name, replace=True)
    OmegaConf.register_new_resolver("oc.env", _environment, replace=True)
    OmegaConf.register_new_resolver("direction", direction, replace=True)


def direction(score: str) -> str:
    """Return whether the best value of a score is its "min" or its "max".

    score: for example val/loss.
    """
    return "min" if score.endswith(("loss", "calibration_error")) else "max"


def job_name(overrides: str) -> str:
    """Return a folder name for the overrides of a job, for example a-1_b-x for "a=1,b=x".

    overrides: separated by commas. Those that do not change the result are left out.

    The name contains only A-Z, a-z, 0-9, dot, underscore and hyphen, and at most 120 characters.
    If the overrides contain other characters or are longer, a hash at the end keeps the name
    unique, and options and the seed come before single keys.
    """
    words = [word for word in mask(overrides).split(",") if not word.startswith(NOT_IDENTITY)]
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
    """Return the config as plain values, with every interpolation resolved except ${oc.env:NAME}.

    References to environment variables remain as they are, so that no password is written to a
    file.
    """
    plain: dict[str, Any] = _with_references(_resolved(config))
    return plain


def resolve_for_file(config: DictConfig) -> dict[str, Any]:
    """Return the plain values of `resolve` in a form that OmegaConf reads back as they are."""
    plain: dict[str, Any] = _with_references(literal_values(_resolved(config)))
    return plain


def _is_trained(*, _root_: Container) -> bool:
    target = OmegaConf.select(_root_, "model._target_", default="")
    return not str(target).startswith(BASELINES)


def _environment(name: str, *default: str | None) -> str | None:
    """Return the value of ${oc.env:NAME} or ${oc.env:NAME,DEFAULT}, and mask it from now on."""
    if name in os.environ:
        remember(name, os.environ[name])
    value: str | None = env(name, *default)
    return value


def _resolved(config: DictConfig) -> dict[str, Any]:
    """Return the config as plain values, with a REFERENCE in place of ${oc.env:NAME}.

    A reference within ${oc.decode:...} stays one, too.
    """
    OmegaConf.register_new_resolver("oc.env", _as_reference, replace=True)
    OmegaConf.register_new_resolver("oc.decode", _decoded_or_reference, replace=True)
    try:
        plain = OmegaConf.to_container(config, resolve=True)
    finally:
        OmegaConf.register_new_resolver("oc.env", _environment, replace=True)
        OmegaConf.register_new_resolver("oc.decode", decode, replace=True)
    assert isinstance(plain, dict)
    return plain  # type: ignore[return-value]


def _as_reference(name: str, *default: object) -> str:
    words = [name, *map(_quoted, default)]
    return REFERENCE + "{oc.env:" + ",".join(words) + "}"


def _quoted(default: object) -> str:
    if default is None:
        return "null"
    text = str(default)
    if re.fullmatch(r"[\w./-]+", text):
        return text
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", text)
    return f"'{escaped}'"


def _decoded_or_reference(text: str | None, *, _parent_: Container, _node_: Node) -> Any:
    if text is not None and REFERENCE in text:
        return f"{REFERENCE}{{oc.decode:{text}}}"
    return decode(text, _parent_, _node_)


def _with_references(values: Any) -> Any:
    if isinstance(values, dict):
        return {key: _with_references(value) for key, value in values.items()}
    if isinstance(values, list):
        return [_with_references(value) for value in values]
    return values.replace(REFERENCE, "$") if isinstance(values, str) else values


def identity(config: DictConfig) -> dict[str, Any]:
    """Return the resolved config without the keys that do not change the result."""
    return identity_of(resolve(config))


def identity_of(plain: dict[str, Any]) -> dict[str, Any]:
    """Return plain values without the keys that do not change the result; they are removed."""
    for key in NOT_IDENTITY:
        *parents, last = key.split(".")
        node = plain
        for parent in parents:
            node = node.get(parent) or {}
        node.pop(last, None)
    return plain


def class_name(node: Mapping[str, Any]) -> str:
    """Return the name of the class that a node makes, e.g. LSTM; for a stack, its layer's class."""
    layer = node.get("layer")
    named = layer if isinstance(layer, Mapping) and "_target_" in layer else node
    return str(named["_target_"]).rpartition(".")[2]


def is_fitted(config: Mapping[Any, Any]) -> bool:
    """Return whether the model is fitted in one go, without a training loop, as MiniRocket is."""
    return str(config["model"]["_target_"]).startswith(BASELINES)


def data_name(config: Mapping[str, Any]) -> str:
    """Return the name of the data for a table: of a set, of a file without suffix, or of a class.

    For example GunPoint, my_data, or Digits.
    """
    data = config["data"]
    if data.get("name") is not None:
        return str(data["name"])
    return class_name(data["source"]) if data.get("path") is None else Path(data["path"]).stem


def holds_arrays(config: Mapping[Any, Any]) -> bool:
    """Return whether the data is in the memory of the process, and not stored; see data=arrays."""
    source = config["data"].get("source") or {}
    return source.get("_target_") == ARRAYS


def model_name(config: Mapping[str, Any]) -> str:
    """Return the name of the class of the model, or of the members of an ensemble, for a table.

    For example LSTM, 5 x LSTM, or gru+lstm+gru, the options that `ensemble` names.
    """
    ensemble = config.get("ensemble")
    if ensemble is None or isinstance(ensemble, int):
        name = class_name(config["model"])
        return name if ensemble is None else f"{ensemble} x {name}"
    return "+".join(map(str, ensemble))


def config_hash(config: DictConfig) -> str:
    """Return a hash (16 hexadecimal digits) of the settings that determine the result."""
    return hashlib.sha256(json.dumps(identity(config), sort_keys=True).encode()).hexdigest()[:16]


def leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every dotted key of nested plain values with its value; lists are not split.

    prefix: put before each key, for example "data.".
    """
    for name, value in values.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def is_longer(before: Mapping[Any, Any], after: Mapping[Any, Any]) -> bool:
    """Return whether the length of a run differs between two configs.

    A model that is fitted in one go has no length.
    """
    if is_fitted(after):
        return False
    keys = (key.removeprefix("trainer.") for key in LENGTH)
    return any(before["trainer"][key] != after["trainer"][key] for key in keys)


register_resolvers()
