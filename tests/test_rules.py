"""The rules for values agree with the constructors, and every key of a checkable type has one."""

from typing import Any

import pytest
from omegaconf import OmegaConf

from conftest import compose, options
from unrolled.building.data import load_data
from unrolled.building.instantiation import make, taken
from unrolled.config.rules import RULES, Rule
from unrolled.config.values import leaves

GROUPS = (
    *("data", "model", "head", "loss", "recipe", "optimizer", "scheduler", "trainer"),
    *("callbacks", "logger", "sweep"),
)
NO_RULE = {"_partial_"}  # Hydra's own

# Settings without which a value at the border of a rule does not fit the others.
WITH = {
    ("model.hidden_size", 1): {"model.num_heads": 1},
    ("model.r_min", 0.999): {"model.r_max": 0.9999},
    ("data.window.stride", 1): {"data.window.size": 4},
}

# Settings that no constructor sees: the classes behind them are only called later, or read others.
NOT_CONSTRUCTED = ("recipe", "parameter_budget")

# Their words come from config/choices.py, which the code uses too; some need groups or times.
NEEDS_MORE_DATA = {"data.split", "data.window.label"}

UNCHECKED = {"model.memory_size"}  # the constructors of lmu and lmu_fft accept 0


def keys_of(option: str) -> dict[str, Any]:
    """Return the keys of a group's option with their values in the composed config."""
    group = option.partition("=")[0]
    node = compose(option)[group]
    plain = OmegaConf.to_container(node, resolve=True)
    return {f"{group}.{key}": value for key, value in leaves(plain)}


OPTIONS = [f"{group}={name}" for group in GROUPS for name in options(group)]


@pytest.mark.parametrize("option", OPTIONS)
def test_every_key_of_a_checkable_type_has_a_rule(option: str) -> None:
    checkable = {
        key
        for key, value in keys_of(option).items()
        if isinstance(value, bool | int | float) and key.rsplit(".", 1)[-1] not in NO_RULE
    }
    assert checkable <= RULES.keys()


@pytest.mark.parametrize("option", OPTIONS)
def test_every_value_of_conf_obeys_its_rule(option: str) -> None:
    broken = [
        key
        for key, value in keys_of(option).items()
        if key in RULES and RULES[key].broken_by(value)
    ]
    assert broken == []


def test_every_rule_is_for_a_key_of_conf() -> None:
    known = {key for option in OPTIONS for key in keys_of(option)}
    known |= {key for key, _ in leaves(OmegaConf.to_container(compose("sweep=optuna")))}
    assert RULES.keys() - known == set()


def outside(rule: Rule) -> list[Any]:
    """Return values next to the border that a rule refuses."""
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
    return [
        key
        for key in sorted(keys_of(option).keys() & RULES.keys())
        if key.split(".")[1] not in NOT_CONSTRUCTED
    ]


def error_of(option: str, key: str, value: Any) -> str | None:
    """Return what the constructor says of the value of a key, or None if it accepts it."""
    group = option.partition("=")[0]
    config = compose(option)
    OmegaConf.update(config, key, [value] if RULES[key].each else value)
    for other, needed in WITH.get((key, value), {}).items():
        if OmegaConf.select(config, other, default=value) != value:
            OmegaConf.update(config, other, needed)
    try:
        if group == "data":
            load_data(config)
        elif group == "model":
            make(config, "model", **taken(config.model, {"input_size": 3, "num_steps": 4}))
        else:
            make(config, "head", input_size=3, backward_size=0, num_classes=2)
    except ValueError as error:
        return str(error)
    return None


NETWORKS = [option for option in OPTIONS if option.startswith(("model=", "head="))]


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


@pytest.mark.parametrize("key", RULES)
def test_a_rule_refuses_values_beyond_its_border_and_accepts_those_at_it(key: str) -> None:
    rule = RULES[key]
    items = [[value] if rule.each else value for value in outside(rule)]
    assert [value for value in items if not rule.broken_by(value)] == []
    items = [[value] if rule.each else value for value in inside(rule)]
    assert [value for value in items if rule.broken_by(value)] == []
