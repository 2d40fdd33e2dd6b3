"""The rules for values agree with the constructors, and every key of a checkable type has one."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from conftest import CONF, compose, options, with_option
from unrolled.building.data import load_data
from unrolled.building.network import build_model
from unrolled.config import choices
from unrolled.config.rule import Rule
from unrolled.config.rules import RULES
from unrolled.config.values import direction, leaves

GROUPS = (
    *("data", "stem", "model", "head", "loss", "recipe", "optimizer", "scheduler", "trainer"),
    *("callbacks", "logger", "sweep", "debug", "experiment"),
)
NO_RULE = {"_partial_"}  # Hydra's own

# Settings without which a value at the border of a rule does not fit the others.
WITH = {
    ("model.hidden_size", 1): {"model.num_heads": 1, "model.layer.num_heads": 1},
    ("model.dropout", 0.999): {"model.num_layers": 2},
    ("model.layer.r_min", 0.999): {"model.layer.r_max": 0.9999},
    ("data.window.stride", 1): {"data.window.size": 4},
}

# Settings that no constructor sees: the classes behind them are only called later, or read others.
NOT_CONSTRUCTED = ("recipe", "parameter_budget")

# Their words come from config/choices.py, which the code uses too; some need groups or times.
NEEDS_MORE_DATA = {"data.split", "data.window.label"}

UNCHECKED = {"model.layer.memory_size"}  # the constructors of lmu and lmu_fft accept 0


@cache
def written_in(path: Path) -> dict[str, Any]:
    """Return the dotted keys that a file of conf/ sets, with their values as written."""
    text = path.read_text(encoding="utf-8")
    values = OmegaConf.to_container(OmegaConf.load(path))
    assert isinstance(values, dict)
    is_global = "@package _global_" in text
    prefix = "" if is_global or path.parent == CONF else f"{path.parent.name}."
    found = leaves({key: value for key, value in values.items() if key != "defaults"}, prefix)
    return {key: value for key, value in found if not key.startswith(("hydra.", "sweep.space."))}


# bench.yaml and explain.yaml are configs of other commands, which check them.
FILES = [
    CONF / "train.yaml",
    *sorted(path for group in GROUPS for path in (CONF / group).glob("*.yaml")),
]


def test_every_key_of_a_checkable_type_has_a_rule() -> None:
    without_rule = {
        (str(path.relative_to(CONF)), key)
        for path in FILES
        for key, value in written_in(path).items()
        if isinstance(value, bool | int | float) and key.rsplit(".", 1)[-1] not in NO_RULE
        if key not in RULES
    }

    assert len(FILES) > 50
    assert without_rule == set()


def test_every_key_with_a_rule_obeys_it() -> None:
    broken = [
        (str(path.relative_to(CONF)), key, value)
        for path in FILES
        for key, value in written_in(path).items()
        if key in RULES and "$" not in str(value) and RULES[key].broken_by(value)
    ]

    assert broken == []


def test_every_rule_is_for_a_key_of_conf() -> None:
    assert RULES.keys() <= {key for path in FILES for key in written_in(path)}


def listed(rule: Rule, value: Any) -> Any:
    """Return a value as an item of a list, if the rule is for lists."""
    return value if rule.items is None or rule.types else [value] * int(rule.num_items[0])


def outside(rule: Rule) -> list[Any]:
    """Return values next to the border that a rule refuses."""
    rule = rule if rule.items is None or rule.types else rule.items
    if not set(rule.types) & {int, float}:
        return ["no such word"] if rule.words else []
    step = 1 if float not in rule.types else 1e-3
    values = []
    if rule.low > float("-inf"):
        values.append(rule.low - step if rule.low_allowed else rule.low)
    if rule.high < 2**32:
        values.append(rule.high + step if rule.high_allowed else rule.high)
    return [int(value) if float not in rule.types else float(value) for value in values]


def inside(rule: Rule) -> list[Any]:
    """Return the words and the values at the border that a rule accepts."""
    rule = rule if rule.items is None or rule.types else rule.items
    values: list[Any] = list(rule.words)
    step = 1 if float not in rule.types else 1e-3
    if rule.low > float("-inf"):
        values.append(rule.low if rule.low_allowed else rule.low + step)
    if rule.high < 2**32:
        values.append(rule.high if rule.high_allowed else rule.high - step)
    whole = float not in rule.types
    return [v if isinstance(v, str) else int(v) if whole else float(v) for v in values]


def constructed(option: str) -> list[str]:
    """Return the keys of an option that have a rule and that its constructor takes."""
    group, _, name = option.partition("=")
    plain = OmegaConf.to_container(with_option(group, name)[group], resolve=True)
    keys = {f"{group}.{key}" for key, _ in leaves(plain)}
    return sorted(key for key in keys & RULES.keys() if key.split(".")[1] not in NOT_CONSTRUCTED)


def error_of(option: str, key: str, value: Any) -> str | None:
    """Return what the constructor says of the value of a key, or None if it accepts it."""
    group, _, name = option.partition("=")
    config = with_option(group, name)
    OmegaConf.update(config, key, listed(RULES[key], value))
    for other, needed in WITH.get((key, value), {}).items():
        if OmegaConf.select(config, other, default=value) != value:
            OmegaConf.update(config, other, needed)
    try:
        if group == "data":
            load_data(config)
        else:
            build_model(config, num_features=3, num_steps=4, num_classes=2)
    except ValueError as error:
        return str(error)
    return None


NETWORKS = [f"{group}={name}" for group in ("model", "head") for name in options(group)]


@pytest.mark.parametrize("option", NETWORKS)
def test_a_constructor_refuses_what_a_rule_refuses(option: str) -> None:
    accepted = [
        f"{key}={value}"
        for key in constructed(option)
        if key not in UNCHECKED
        for value in outside(RULES[key])
        if error_of(option, key, value) is None
    ]
    assert accepted == []


@pytest.mark.parametrize("option", [*NETWORKS, "data=digits"])
def test_a_constructor_accepts_what_a_rule_accepts(option: str) -> None:
    refused = {
        f"{key}={value}": error
        for key in constructed(option)
        for value in inside(RULES[key])
        if key not in NEEDS_MORE_DATA
        if (error := error_of(option, key, value)) is not None
    }
    assert refused == {}


def test_every_rule_refuses_values_beyond_its_borders_and_accepts_those_at_them() -> None:
    for key, rule in RULES.items():
        for value in outside(rule):
            assert rule.broken_by(listed(rule, value)), f"{key}={value}"
        for value in inside(rule):
            assert not rule.broken_by(listed(rule, value)), f"{key}={value}"


def test_the_best_value_of_each_monitored_score_is_known() -> None:
    lowest = {metric for metric in choices.METRICS if direction(metric) == "min"}
    assert lowest == {"val/loss", "val/vote_loss", "val/calibration_error"}
    config = compose("monitor.metric=val/f1")
    assert config.callbacks.early_stopping.mode == config.monitor.mode == "max"
