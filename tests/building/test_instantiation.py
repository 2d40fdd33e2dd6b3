"""`make` builds the objects that a config describes, and names the key that is wrong."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from unrolled.building.instantiation import make
from unrolled.config import classes
from unrolled.config.classes import Kind
from unrolled.errors import ConfigError, DataError


@dataclass
class Engine:
    power: int

    def __post_init__(self) -> None:
        if self.power < 0:
            raise ValueError(f"need power >= 0, got {self.power}")


@dataclass
class Car:
    engine: Any
    seats: int
    options: Any


class Wreck(Car):
    def __init__(self) -> None:
        raise DataError("the file is damaged")


@pytest.fixture(autouse=True)
def _this_module_is_allowed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    kinds = {"car": Kind((f"{__name__}.Car",)), "car.engine": Kind((f"{__name__}.Engine",))}
    monkeypatch.setattr(classes, "KINDS", kinds)
    with classes.allowing([__name__]):
        yield


def config(text: str) -> DictConfig:
    node = OmegaConf.create(text.replace("HERE", __name__))
    assert isinstance(node, DictConfig)
    return node


CAR = """
power: 5
car:
  _target_: HERE.Car
  seats: 4
  options: {color: red, wheels: [1, 2]}
  recipe: {lr: 0.1}
  engine:
    _target_: HERE.Engine
    power: ${power}
"""


def test_nested_nodes_are_made_and_plain_values_stay_plain() -> None:
    car = make(config(CAR), "car")
    assert car == Car(Engine(5), 4, {"color": "red", "wheels": [1, 2]})
    assert type(car.options) is dict
    assert type(car.options["wheels"]) is list


def test_an_argument_replaces_a_key() -> None:
    assert make(config(CAR), "car", seats=2).seats == 2


def test_a_partial_node_leaves_the_call_to_others() -> None:
    node = config(CAR)
    node.car.engine._partial_ = True
    made = make(node, "car").engine
    assert isinstance(made, partial)
    assert made() == Engine(5)


def test_the_config_is_left_unchanged() -> None:
    node = config(CAR)
    make(node, "car", seats=2)
    assert node == config(CAR)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("car.seets", r"car\.seets: .*Car has no such setting; did you mean 'seats'\?"),
        ("car.engine.powr", r"car\.engine\.powr: .*no such setting; did you mean 'power'\?"),
    ],
)
def test_an_unknown_key_is_refused_with_a_suggestion(key: str, message: str) -> None:
    node = config(CAR)
    OmegaConf.update(node, key, 3, force_add=True)
    with pytest.raises(ConfigError, match=message):
        make(node, "car")


def test_an_unknown_key_of_a_partial_node_is_refused_at_once() -> None:
    node = config(CAR)
    node.car.engine = {"_target_": f"{__name__}.Engine", "_partial_": True, "powr": 3}
    with pytest.raises(ConfigError, match=r"car\.engine\.powr"):
        make(node, "car")


def test_a_refused_value_names_the_node() -> None:
    node = config(CAR)
    node.power = -1
    with pytest.raises(ConfigError, match=r"^car\.engine: need power >= 0, got -1$"):
        make(node, "car")


def test_an_error_of_ours_keeps_its_class() -> None:
    with pytest.raises(DataError, match="the file is damaged"):
        make(config("car: {_target_: HERE.Wreck}"), "car")


def test_a_node_in_a_group_is_named_with_its_group() -> None:
    nodes = config("first: {_target_: HERE.Engine, power: -1}\nsecond: {_target_: HERE.Car}")
    with pytest.raises(ConfigError, match=r"^car\.engine: need power >= 0"):
        make(nodes, "first", kind="car.engine")
    with pytest.raises(ConfigError, match=r"^car\.engine\._target_=.*\.Car: need a class derived"):
        make(nodes, "second", kind="car.engine")


@pytest.mark.parametrize("target", ["HERE.Bicycle", "no_such_module.Car"])
def test_a_class_that_does_not_exist_is_refused(target: str) -> None:
    with pytest.raises(ConfigError, match=r"^car\._target_="):
        make(config(f"car: {{_target_: {target}}}"), "car")


def test_a_node_without_a_class_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"car has no _target_; choose an option with car=OPTION"):
        make(config("car: {seats: 4}"), "car")


@pytest.mark.parametrize(
    "target",
    [
        "os.system",  # of another package
        "HERE.config",  # a function
        "HERE.Car",  # of another base
    ],
)
def test_a_nested_node_can_only_name_classes_of_its_kind(target: str) -> None:
    """A run folder may come from somebody else."""
    hostile = config(
        f"car: {{_target_: HERE.Car, engine: {{_target_: {target}}}, seats: 1, options: null}}"
    )
    with pytest.raises(ConfigError, match=r"^car\.engine\._target_=.*: need "):
        make(hostile, "car")


def test_other_nodes_cannot_name_a_class() -> None:
    hostile = config(
        "car: {_target_: HERE.Car, engine: 1, seats: 1, options: {_target_: HERE.Engine}}"
    )
    with pytest.raises(ConfigError, match=r"car\.options\._target_.*cannot name a class"):
        make(hostile, "car")
