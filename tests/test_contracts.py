"""The contracts of encoders, heads and config options, tested on every file in conf/."""

import copy
import inspect
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest
import torch
import yaml
from _pytest.mark import MarkDecorator, ParameterSet
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from conftest import compose, encoders, options, with_option
from unrolled.building.instantiation import get_object
from unrolled.checking import contract
from unrolled.checking import probe as probes
from unrolled.checking.probe import Probe, make_probe, with_noise
from unrolled.classifier.module import SequenceClassifier
from unrolled.contracts import real_steps
from unrolled.data.batches import Batching
from unrolled.data.channels import ChannelSettings
from unrolled.data.module import SequenceDataModule
from unrolled.data.parts import Division
from unrolled.data.preparation import Preparation
from unrolled.data.windows import Windows
from unrolled.encoders.blocks.encoder import Encoder
from unrolled.runs.run_folder import RunFolder
from unrolled.training.trainer import build, build_classifier

NUM_FEATURES, NUM_CLASSES = 5, 7
LENGTHS = torch.tensor(probes.LENGTHS)

Variant = tuple[str, ...]  # overrides
Claim = Callable[..., None]

VARIANTS = {
    "as_it_is": {},
    "bidirectional": {"bidirectional": "true"},
    "two_layers": {"num_layers": "2"},
    "two_layers_bidirectional": {"num_layers": "2", "bidirectional": "true"},
    "trained_initial_state": {"learn_initial_state": "true"},
    "in_a_block": {"residual": "true", "mixing": "true", "conv_size": "3", "num_layers": "2"},
    "bare": {"residual": "false", "mixing": "false", "num_layers": "2"},
}


chosen = cache(with_option)


def model_variants() -> Iterable[ParameterSet]:
    """Yield the overrides of every variant of every encoder in conf/model, if it has the keys."""
    for model in encoders():
        keys = chosen("model", model).model.keys()
        for variant, changes in VARIANTS.items():
            if variant == "two_layers" and "residual" in keys:
                continue  # `in_a_block` and `bare` have two layers
            if changes.keys() <= keys:
                overrides = (f"model={model}", *(f"model.{k}={v}" for k, v in changes.items()))
                yield pytest.param(overrides, id=f"{model}-{variant}")


variants = list(model_variants())


def each(cases: Iterable[ParameterSet]) -> Callable[[Claim], MarkDecorator]:
    """Decorate a claim about a variant, so that it becomes one test for each encoder.

    The test checks all variants of the encoder: the overhead of a test is larger than the time of
    most claims. The test is skipped if the claim skips all of them.

    cases: whose first value is the variant.
    """
    of_model: dict[str, list[ParameterSet]] = {}
    for case in cases:
        of_model.setdefault(case.values[0][0].removeprefix("model="), []).append(case)

    def decorate(claim: Claim) -> MarkDecorator:
        def test(model: str) -> None:
            skipped = []
            for case in of_model[model]:
                torch.manual_seed(0)
                try:
                    claim(*case.values)
                except pytest.skip.Exception as reason:
                    skipped.append(reason)
                except BaseException as error:
                    error.add_note(f"in the case {case.id}")
                    raise
            if len(skipped) == len(of_model[model]):
                raise skipped[0]

        test.__name__, test.__doc__ = claim.__name__, claim.__doc__
        return pytest.mark.parametrize("model", of_model)(test)

    return decorate


each_variant = each(variants)

# Encoders are tested with one head, and all heads with these encoders.
TESTED_WITH_ALL_HEADS = ("lstm-bidirectional", "mingru-as_it_is", "transformer-as_it_is")
each_pair = each(
    pytest.param(*v.values, head, id=f"{v.id}-{head}")
    for v in variants
    for head in options("head")
    if head == "last_step" or v.id in TESTED_WITH_ALL_HEADS
)

IGNORES_ITS_INPUT = "model=majority"
WITHOUT_MEMORY = ("model=majority", "model=identity")
RECTIFIES_ITS_INPUT = "model=lmu_fft"  # so that a step may have no effect

# Units that may not depend on a step: rectified ones, and statistics that come from one step.
MAY_IGNORE_A_STEP = {
    *("model=irnn", "model=indrnn", "model=lmu_fft", "model=mlp", "model=tcn", "model=summary"),
    "model=cnn",
}


def skip_if_input_is_ignored(variant: Variant) -> None:
    if IGNORES_ITS_INPUT in variant:
        pytest.skip("the output does not depend on the input")


def skip_without_memory(variant: Variant) -> None:
    if variant[0] in WITHOUT_MEMORY:
        pytest.skip("steps do not depend on each other")


def configured(variant: Variant, *, head: str = "last_step", small: bool = False) -> DictConfig:
    """Return the config of a variant; small: with fewer units, to save time."""
    (_, model), *changes = (item.split("=") for item in variant)
    config = chosen("model", model).copy()
    config.head = chosen("head", head).head
    for key, value in changes:
        OmegaConf.update(config, key, yaml.safe_load(value))
    if small and "hidden_size" in config.model:
        config.model.hidden_size = 12
    if small and "order" in config.model.get("layer", {}):
        config.model.layer.order = 6
    return config


@cache  # no test changes a weight
def make(variant: Variant, *, head: str = "last_step") -> SequenceClassifier:
    torch.manual_seed(0)
    classifier = build_classifier(
        configured(variant, head=head, small=True),
        num_features=NUM_FEATURES,
        num_steps=probes.NUM_STEPS,
        num_classes=NUM_CLASSES,
        class_weights=None,
    )
    return with_noise(classifier, deviation=probes.NOISE).double().eval()


def some_input() -> Tensor:
    return torch.randn(len(LENGTHS), int(LENGTHS.max()), NUM_FEATURES, dtype=torch.float64)


def probe() -> Probe:
    return make_probe(num_features=NUM_FEATURES, dtype=torch.float64, lengths=probes.LENGTHS)


def encoder_of(variant: Variant) -> Encoder:
    encoder = make(variant).network.encoder
    assert isinstance(encoder, Encoder)
    return encoder


@each_pair
def test_padding_does_not_change_a_logit(variant: Variant, head: str) -> None:
    contract.padding_reaches_no_logit(make(variant, head=head), probe())


@each_pair
def test_a_sequence_has_the_same_logits_alone_and_in_batches_of_any_order_and_size(
    variant: Variant, head: str
) -> None:
    contract.batches_change_no_logit(make(variant, head=head), probe())


@each_pair
def test_logits_depend_on_every_real_step_and_on_no_other(variant: Variant, head: str) -> None:
    """Without this, logits that ignore the input would pass the tests above."""
    skip_without_memory(variant)
    classifier, x = make(variant, head=head), some_input().requires_grad_()
    (reached,) = torch.autograd.grad(classifier(x, LENGTHS).square().sum(), x)
    real = real_steps(LENGTHS, x.shape[1])
    reached = (reached.abs() > probes.ROUNDING).any(dim=2)
    if head == "max" or RECTIFIES_ITS_INPUT in variant:
        assert reached.any(dim=1).all()
        assert not reached[~real].any()
    else:
        assert torch.equal(reached, real)


@cache
def training_data(name: str) -> SequenceDataModule:
    with tempfile.TemporaryDirectory() as folder:
        config = compose(f"data={name}", "trainer=cpu", "logger=none")
        return build(config, RunFolder(Path(folder))).data


@each_pair
def test_the_untrained_loss_is_ln_c_on_digits(variant: Variant, head: str) -> None:
    assert_untrained_loss_is_ln_c(variant, head, training_data("digits"))


@each_pair
def test_the_untrained_loss_is_ln_c_on_noise(variant: Variant, head: str) -> None:
    assert_untrained_loss_is_ln_c(variant, head, training_data("random"))


def assert_untrained_loss_is_ln_c(variant: Variant, head: str, data: SequenceDataModule) -> None:
    classifier = build_classifier(
        configured(variant, head=head),
        num_features=data.num_features,
        num_steps=data.num_steps,
        num_classes=data.num_classes,
        class_weights=None,
    ).eval()
    part = data.parts.train.take(torch.arange(250))
    contract.untrained_loss_is_ln_c(
        classifier, part.x, part.lengths, part.y, num_classes=data.num_classes
    )


# configs


@pytest.mark.parametrize(
    "choice",
    ["model=irnn", "model=lem", "head=mean", "data=parity", "optimizer=sgd", "scheduler=step"],
)
def test_the_configs_of_these_tests_are_those_that_hydra_composes(choice: str) -> None:
    assert chosen(*choice.split("=")) == compose(choice)


def keys_of(node: DictConfig) -> set[str]:
    return {str(key) for key in node if not str(key).startswith("_")} - {
        "recipe",
        "parameter_budget",
    }


def parameters_of(node: DictConfig) -> dict[str, inspect.Parameter]:
    """Return the parameters of a class, with those that it passes on to its base class."""
    made = get_object(node._target_)
    found = dict(inspect.signature(made).parameters)
    if any(one.kind is one.VAR_KEYWORD for one in found.values()):
        found = {name: one for name, one in found.items() if one.kind is not one.VAR_KEYWORD}
        found = {**inspect.signature(made.__base__).parameters, **found}
    return found


def test_a_model_config_has_the_keys_of_its_constructor(each_model: str) -> None:
    node = chosen("model", each_model).model
    given = {"sizes" if each_model in encoders() else "seed"}
    contract.config_matches_the_constructor(
        keys_of(node), given=given, parameters=parameters_of(node)
    )


@pytest.mark.parametrize(
    "model", [m for m in options("model") if "layer" in chosen("model", m).model]
)
def test_a_layer_config_has_the_keys_of_its_constructor(model: str) -> None:
    node = chosen("model", model).model.layer
    assert keys_of(node) | {"sizes", "hidden_size"} == set(parameters_of(node))


def test_a_head_config_has_the_keys_of_its_constructor(each_head: str) -> None:
    node = chosen("head", each_head).head
    assert keys_of(node) | {"input_size", "backward_size", "summary_size", "num_classes"} == set(
        parameters_of(node)
    )


def test_a_data_config_has_the_keys_of_preparation_batching_and_source(each_data: str) -> None:
    node = chosen("data", each_data).data
    for_source = set(parameters_of(node.source)) - keys_of(node.source)
    kinds = (Preparation, Division, ChannelSettings, Batching)
    known = {field.name for kind in kinds for field in fields(kind)} - {"channels", "division"}
    assert keys_of(node) - for_source == known | {"source", "refit", "baselines"}
    assert set(node.window) == set(inspect.signature(Windows).parameters)


def test_a_source_config_has_the_keys_of_its_constructor(each_data: str) -> None:
    data = chosen("data", each_data).data
    parameters = set(parameters_of(data.source))
    assert keys_of(data.source) | (keys_of(data) & parameters) == parameters


def test_a_scheduler_config_has_the_keys_of_its_constructor(each_scheduler: str) -> None:
    node = chosen("scheduler", each_scheduler).scheduler
    assert keys_of(node) == set(parameters_of(node))


def test_an_optimizer_config_has_only_keys_of_its_constructor(each_optimizer: str) -> None:
    node = chosen("optimizer", each_optimizer).optimizer
    assert keys_of(node) <= set(parameters_of(node))
    assert {"lr", "weight_decay"} <= keys_of(node)  # what parameter groups scale


@pytest.mark.parametrize(
    ("group", "option"),
    [(g, o) for g in ("model", "head", "data", "scheduler") for o in options(g)],
)
def test_a_constructor_has_no_defaults_of_its_own(group: str, option: str) -> None:
    node = chosen(group, option)[group]
    if group == "data":
        node = node.source
    parameters = [*parameters_of(node).values()]
    if "layer" in node:
        parameters += parameters_of(node.layer).values()
    assert [p.name for p in parameters if p.default is not p.empty] == []


# encoders and heads


@each_variant
def test_parameter_groups_hold_every_encoder_parameter_once(variant: Variant) -> None:
    contract.parameter_groups_are_complete(encoder_of(variant))


@each_pair
def test_every_parameter_of_the_classifier_receives_a_gradient(variant: Variant, head: str) -> None:
    skip_if_input_is_ignored(variant)
    contract.gradients_are_finite(make(variant, head=head), probe())


each_one_way_variant = each(v for v in variants if "bidirectional" not in v.id)


@each_one_way_variant
def test_whole_sequences_chunks_and_steps_agree(variant: Variant) -> None:
    encoder, sequences = encoder_of(variant), probe()
    assert encoder.has_steps
    contract.chunks_equal_the_whole(encoder, sequences)
    contract.steps_equal_the_whole(encoder, sequences)


@each_one_way_variant
def test_the_state_comes_from_each_sequences_own_last_step(variant: Variant) -> None:
    contract.states_are_those_after_the_last_real_step(encoder_of(variant), probe())


@each(v for v in variants if "bidirectional" in v.id)
def test_a_bidirectional_encoder_cannot_run_step_by_step(variant: Variant) -> None:
    assert not make(variant).network.encoder.has_steps
    with pytest.raises(ValueError, match="bidirectional=true"):
        make(variant).network.encoder.step(some_input()[:, 0], None)


@each_one_way_variant
def test_mixed_precision_is_close_to_single_precision(variant: Variant) -> None:
    if variant[0] in ("model=rnn", "model=irnn", "model=lstm", "model=gru"):
        pytest.skip("on a CPU, torch computes its own modules in half precision")
    encoder, x = copy.deepcopy(make(variant).network.encoder).float(), some_input().float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = encoder(x, LENGTHS)
        by_chunks = encoder.read(x, LENGTHS, None)[0]
    expected = encoder(x, LENGTHS)
    real = real_steps(LENGTHS, x.shape[1])
    for found in (hidden, by_chunks):
        torch.testing.assert_close(found.float()[real], expected[real], rtol=0.1, atol=0.1)


@each_variant
def test_output_size_matches_the_output(variant: Variant) -> None:
    contract.hidden_states_have_the_size_of_the_encoder(encoder_of(variant), probe())


def reached_by(encoder: Encoder, x: Tensor, *, step: int, seen_at: int) -> Tensor:
    """Return which units at step `seen_at` change when the features at `step` do (one sequence)."""
    lengths = torch.tensor([x.shape[1]])
    changed = x.clone()
    changed[:, step] += 1.0
    difference = (encoder(x, lengths) - encoder(changed, lengths))[0, seen_at]
    return difference.abs() > probes.ROUNDING


@each_variant
def test_right_to_left_units_depend_on_the_last_step_at_step_0(
    variant: Variant,
) -> None:
    encoder, x = make(variant).network.encoder, some_input()[:1, :5]
    reached = reached_by(encoder, x, step=4, seen_at=0)[
        encoder.output_size - encoder.backward_size :
    ]
    may_ignore_a_step = variant[0] in MAY_IGNORE_A_STEP and encoder.backward_size
    assert reached.any() if may_ignore_a_step else reached.all()


@each_variant
def test_left_to_right_units_depend_on_the_first_step_at_the_last_step(variant: Variant) -> None:
    encoder, x = make(variant).network.encoder, some_input()[:1, :5]
    skip_without_memory(variant)
    reached = reached_by(encoder, x, step=0, seen_at=4)[
        : encoder.output_size - encoder.backward_size
    ]
    assert reached.any() if variant[0] in MAY_IGNORE_A_STEP else reached.all()


@each(
    v for v in variants if not v.id.endswith("two_layers_bidirectional")
)  # its second layer reads the right-to-left units of the first
def test_left_to_right_units_do_not_depend_on_later_steps(variant: Variant) -> None:
    encoder, x = make(variant).network.encoder, some_input()[:1, :5]
    reached = reached_by(encoder, x, step=4, seen_at=0)
    assert not reached[: encoder.output_size - encoder.backward_size].any()
