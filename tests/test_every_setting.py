"""Every key of conf/ with hostile values: they are refused by name, or what they describe is built.

Nothing is trained. `config/rules.py` states the valid values of each key.
"""

import math
import re
from functools import cache
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf, open_dict

from conftest import compose, options, with_option
from unrolled.building.data import build_data
from unrolled.building.instantiation import NO_ARGUMENTS, make_plain
from unrolled.config.checks import check_config, check_value
from unrolled.config.rules import RULES
from unrolled.config.values import leaves
from unrolled.encoders.blocks.encoder import Sizes
from unrolled.errors import ConfigError

HUGE = 10**30
VALUES = (None, 3, 0.5, "abc", -1, HUGE, 1e30, math.inf, math.nan, True, [], ["abc"], {"a": 1})
SIMPLE = tuple(value for value in VALUES if not isinstance(value, list | dict))

GROUPS = ("stem", "model", "head", "data", "loss", "optimizer", "scheduler", "trainer")
GROUPS += ("callbacks", "logger", "recipe")
WHOLE = ("", "sweep=optuna", "debug=fast", "debug=overfit", "debug=profile")  # configs


@cache
def option(group: str, name: str) -> dict[str, Any]:
    """Return the plain values of an option."""
    plain = OmegaConf.to_container(with_option(group, name)[group], resolve=True)
    assert isinstance(plain, dict)
    return plain


@cache
def keys() -> dict[str, str]:
    """Return an option that has each dotted key."""
    found: dict[str, str] = {}
    for words in WHOLE:
        plain = OmegaConf.to_container(compose(*words.split()), resolve=True)
        found |= dict.fromkeys((key for key, _ in leaves(plain)), words)
    for group in GROUPS:
        for name in options(group):
            for key, _ in leaves(option(group, name), f"{group}."):
                found.setdefault(key, f"{group}={name}")
    return found


def is_named_elsewhere(key: str) -> bool:
    """Return whether a key has no rule, because `check_classes` or the search checks it."""
    return key.endswith(("._target_", "._partial_")) or key.startswith("sweep.space.")


def refusal(key: str, value: Any) -> str:
    """Return why a value is refused, or an empty string if it is accepted."""
    try:
        check_value(key, value)
    except ConfigError as error:
        return str(error)
    return ""


def test_every_key_has_a_rule() -> None:
    without = {key for key in keys() if key not in RULES and not is_named_elsewhere(key)}
    assert without - {"callbacks.early_stopping"} == set()  # null in debug=overfit


def test_a_refusal_names_key_value_and_what_is_needed() -> None:
    refused = {(k, v): refusal(k, v) for k in keys().keys() & RULES.keys() for v in SIMPLE}
    wrong = [text for (key, value), text in refused.items() if f"{key}={value}: need " not in text]
    assert len(refused) - len(wrong) > 1000
    assert set(wrong) == {""}


def test_no_key_accepts_a_number_that_is_too_large_or_not_finite() -> None:
    ruled = keys().keys() & RULES.keys()
    accepted = [(k, v) for k in ruled for v in (HUGE, math.inf, math.nan) if not refusal(k, v)]
    assert accepted == []


def with_value(node: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a copy of nested plain values in which one dotted key has another value."""
    name, _, rest = path.partition(".")
    return {**node, name: with_value(node[name], rest, value) if rest else value}


def built(group: str, node: dict[str, Any]) -> None:
    """Build what an option describes, with tiny sizes."""
    arguments = {key: value for key, value in node.items() if key not in NO_ARGUMENTS}
    if group == "stem":
        make_plain(arguments, "stem", kind="stem", sizes=Sizes(input_size=2, num_steps=5))
    elif group == "model" and "MiniRocket" in node["_target_"]:
        make_plain(arguments, "model", kind="model", seed=1)
    elif group == "model":
        make_plain(arguments, "model", kind="model", sizes=Sizes(input_size=2, num_steps=5))
    elif group == "head":
        sizes = {"input_size": 4, "backward_size": 0, "summary_size": 0, "num_classes": 3}
        make_plain(arguments, "head", kind="head", **sizes)
    elif group == "data":
        if "name" in node:
            node = {**node, "name": node["name"] or "GunPoint"}
        elif "path" in node:
            node = {**node, "path": node["path"] or "x.csv"}
        build_data(OmegaConf.create({"data": node, "seed": 1}))
    elif group == "optimizer":
        make_plain(node, "optimizer", kind="optimizer")([torch.zeros(1, requires_grad=True)])
    elif group == "scheduler":
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        schedule = make_plain(node, "scheduler", kind="scheduler")
        schedule(optimizer, num_steps=5, steps_per_epoch=2)
    elif group in ("callbacks", "logger"):
        for name, one in node.items():
            if "unrolled" in one["_target_"] or "EarlyStopping" in one["_target_"]:
                more = {"save_dir": "x"} if group == "logger" else {}
                make_plain(one, name, kind=f"{group}.{name}", **more)


BUILT = [(g, n) for g in GROUPS if g not in ("loss", "trainer", "recipe") for n in options(g)]


@pytest.mark.parametrize(("group", "name"), BUILT)
def test_what_the_rules_accept_is_built_or_refused_with_its_key(group: str, name: str) -> None:
    node = option(group, name)
    shared = dict(leaves(option("data", "digits"))) if (group, name) != ("data", "digits") else {}
    wrong = {}
    for path, _ in leaves(node):
        key = f"{group}.{path}"
        if (group == "data" and path in shared) or is_named_elsewhere(key):
            continue
        for value in VALUES:
            if refusal(key, value):
                continue
            try:
                with torch.device("meta"):
                    built(group, with_value(node, path, value))
            except ConfigError as error:
                if path.rpartition(".")[2] not in str(error):
                    wrong[f"{key}={value}"] = str(error)
    assert wrong == {}


# Faults that once ended in a traceback, or were accepted. The number of devices, the length of a
# run and so on are in test_trainer_settings.py.
WRONG: dict[str, tuple[Any, str]] = {
    "data.window": (3, "data.window=3: need settings, such as data.window.size=VALUE"),
    "data.source": (None, "data.source=None: need settings"),
    "checkpoint": (3, "checkpoint=3: need settings, such as checkpoint.min_seconds=VALUE"),
    "model": ("lstm", "model=lstm: need an option, one of cnn"),
    "seed": ({"a": 1}, "seed={'a': 1}: need a whole number >= 0"),
    "model.hidden_size": ({"a": 1}, "model.hidden_size={'a': 1}: need a whole number >= 1"),
    "model.layer._partial_": (False, "model.layer._partial_=False: need true"),
    "callbacks.mine": (3, "callbacks.mine=3: need settings, or null to leave it out"),
    "logger.csv": ("abc", "logger.csv=abc: need settings"),
    "data.window.sise": (3, "no such setting; did you mean 'data.window.size'"),
    "init_from": (3, "init_from=3: need a path or null"),
    "ensemble": ([], "ensemble=[]: need a whole number >= 1, a list"),
    "data.val_size": (1.5, "need a fraction >= 0 and < 1 or a whole number"),
    "model.num_layers": (10**8, "need at most 1,000"),
    "data.num_folds": (10**5, "need at most 1,000"),
    "data.batch_size": (HUGE, "the number is too large"),
    "optimizer.betas": ([0.9], "a list of 2 items"),
    "loss.class_weights": ([1, -1], "a list (each item a number > 0)"),
    "scheduler.factor": (2, "need a number > 0 and < 1"),
    "callbacks.early_stopping.monitor": ("val/foo", "did you mean 'val/f1'"),
    "callbacks.watchdog.minutes": (math.inf, "need a number > 0 and <= 527040"),
}


@pytest.mark.parametrize(("key", "value", "message"), [(k, *v) for k, v in WRONG.items()])
def test_a_wrong_value_is_refused_with_its_key(key: str, value: Any, message: str) -> None:
    config = compose("scheduler=plateau") if key.startswith("scheduler") else compose()
    OmegaConf.update(config, key, value, merge=False, force_add=True)

    with pytest.raises(ConfigError, match=re.escape(message)) as refusal:
        check_config(config)
    assert str(refusal.value).startswith(f"{key}=")


def test_a_config_without_a_key_is_refused() -> None:
    config = compose()
    with open_dict(config):
        config.pop("seed")
    with pytest.raises(ConfigError, match=r"no such key; need seed=VALUE, a whole number >= 0"):
        check_config(config)


@pytest.mark.parametrize("word", ["model=null", "logger=3", "hydra/launcher=null"])
def test_an_option_has_a_name(word: str) -> None:
    with pytest.raises(ConfigError, match=f"{word}: need an option, one of "):
        compose(word)


@pytest.mark.parametrize("name", ["launcher", "sweeper", "job_logging", "hydra_logging"])
def test_a_group_of_hydra_cannot_be_left_out(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"^hydra/{name} has no option; type hydra/{name}=\w+$"):
        compose(f"~hydra/{name}")


def test_a_class_that_is_no_plugin_of_hydra_is_refused_with_an_option() -> None:
    with pytest.raises(ConfigError, match=r"installed plugin .* hydra/launcher=forked$"):
        compose("hydra.launcher._target_=os.system")


@pytest.mark.parametrize("name", ["jobs_at_once", "gpu_gigabytes"])
def test_a_wrong_setting_of_the_launcher_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"hydra.launcher.{name}=abc: need a"):
        compose(f"hydra.launcher.{name}=abc")


def test_a_value_that_an_optimizer_refuses_is_named() -> None:
    node = {**option("optimizer", "adamw"), "eps": -1}
    with pytest.raises(ConfigError, match=r"^optimizer: Invalid epsilon value: -1$"):
        built("optimizer", node)
