"""The example encoder of CONTRIBUTING.md works."""

import inspect
import re
from pathlib import Path

import torch
import yaml

from unrolled.encoders.blocks.encoder import Encoder, Sizes

TEXT = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")


def block_after(words: str, language: str) -> str:
    match = re.search(rf"{re.escape(words)}.*?```{language}\n(.*?)```", TEXT, re.DOTALL)
    assert match
    return match[1]


def written_class() -> type:
    namespace: dict[str, type] = {}
    exec(compile(block_after("running_mean.py", "python"), "running_mean.py", "exec"), namespace)
    return namespace["RunningMean"]


def test_the_example_encoder_fulfills_the_contract() -> None:
    encoder = written_class()(Sizes(input_size=3, num_steps=5), hidden_size=4).double()
    x, lengths = torch.randn(2, 5, 3, dtype=torch.float64), torch.tensor([5, 3])
    assert isinstance(encoder, Encoder)
    whole = encoder(x, lengths)
    early, state = encoder.read(x[:, :2], None, None)
    late, _ = encoder.read(x[:, 2:], None, state)
    torch.testing.assert_close(torch.cat([early, late], dim=1), whole, rtol=1e-7, atol=1e-12)
    from_start, _ = encoder.read(x, None, encoder.start(x[:, 0]))
    torch.testing.assert_close(from_start, whole, rtol=1e-7, atol=1e-12)
    _, state = encoder.read(x, lengths, None)
    alone = encoder(torch.cat([x[1:, :3], x[1:, :1]], dim=1), torch.tensor([4]))
    torch.testing.assert_close(encoder.step(x[:, 0], state)[0][1], alone[0, 3])
    grouped = [p for group in encoder.parameter_groups() for p in group["params"]]
    assert {id(p) for p in grouped} == {id(p) for p in encoder.parameters()}


def test_the_example_config_has_the_keys_of_its_constructor() -> None:
    config = yaml.safe_load(block_after("conf/model/running_mean.yaml", "yaml"))
    parameters = set(inspect.signature(written_class()).parameters)
    keys = {key for key in config if not key.startswith("_")} - {"recipe", "parameter_budget"}
    assert keys | {"sizes"} == parameters
    assert config["_target_"] == "unrolled.encoders.running_mean.RunningMean"
