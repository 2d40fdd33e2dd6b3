"""Each head against a plain loop over sequences and steps."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from unrolled.heads.all_steps import AllSteps
from unrolled.heads.attention import Attention
from unrolled.heads.head import Head
from unrolled.heads.last_step import LastStep
from unrolled.heads.max import Max
from unrolled.heads.mean import Mean
from unrolled.heads.mean_max import MeanMax

H, BACKWARD, C = 6, 2, 3
LENGTHS = torch.tensor([4, 1, 7, 5])

DEFAULTS: dict[str, Any] = {
    "input_size": H,
    "backward_size": 0,
    "summary_size": 0,
    "num_classes": C,
    "dropout": 0.0,
    "initialization": "torch",
}


def make(head: type[Head], **changes: Any) -> Head:
    own = {"attention_size": 5} if head is Attention else {}
    return head(**{**DEFAULTS, **own, **changes}).double()


def some_hidden() -> Tensor:
    return torch.randn(len(LENGTHS), int(LENGTHS.max()), H, dtype=torch.float64)


def last(head: Any, states: list[Tensor]) -> Tensor:
    return states[-1]


def mean(head: Any, states: list[Tensor]) -> Tensor:
    return sum(states) / len(states)


def maximum(head: Any, states: list[Tensor]) -> Tensor:
    return torch.stack([max(unit) for unit in zip(*states, strict=True)])


def attention(head: Any, states: list[Tensor]) -> Tensor:
    keys = [torch.tanh(head.projection.weight @ h + head.projection.bias) for h in states]
    scores = [torch.exp(head.query.weight[0] @ key) for key in keys]
    return sum(score * h for score, h in zip(scores, states, strict=True)) / sum(scores)


def mean_and_maximum(head: Any, states: list[Tensor]) -> Tensor:
    return torch.cat([mean(head, states), maximum(head, states)])


POOLS = {
    LastStep: last,
    Mean: mean,
    Max: maximum,
    MeanMax: mean_and_maximum,
    Attention: attention,
}
each_head = pytest.mark.parametrize("head_class", POOLS)


def in_a_loop(head: Head, hidden: Tensor, pool: Callable[[Head, list[Tensor]], Tensor]) -> Tensor:
    rows = []
    for sequence, length in zip(hidden, LENGTHS.tolist(), strict=True):
        pooled = pool(head, [sequence[step] for step in range(length)])
        rows.append(head.output.weight @ pooled + head.output.bias)
    return torch.stack(rows)


def assert_same(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=1e-7, atol=1e-12)


@each_head
def test_logits_equal_a_plain_loop(head_class: type[Head]) -> None:
    head, hidden = make(head_class), some_hidden()
    assert_same(head(hidden, LENGTHS), in_a_loop(head, hidden, POOLS[head_class]))


@pytest.mark.parametrize("garbage", [1e30, -1e30, float("inf"), float("nan")])
@each_head
def test_padding_is_never_read(head_class: type[Head], garbage: float) -> None:
    head, hidden = make(head_class), some_hidden()
    spoiled = hidden.masked_fill((torch.arange(7) >= LENGTHS[:, None])[:, :, None], garbage)
    assert_same(head(spoiled, LENGTHS), head(hidden, LENGTHS))


def test_each_direction_is_read_at_its_own_last_step() -> None:
    def own_ends(head: Any, states: list[Tensor]) -> Tensor:
        return torch.cat([states[-1][:-BACKWARD], states[0][-BACKWARD:]])

    head, hidden = make(LastStep, backward_size=BACKWARD), some_hidden()
    assert_same(head(hidden, LENGTHS), in_a_loop(head, hidden, own_ends))


@pytest.mark.parametrize("head_class", [Mean, Max, Attention])
def test_a_pool_over_all_steps_treats_both_directions_alike(head_class: type[Head]) -> None:
    head, hidden = make(head_class, backward_size=BACKWARD), some_hidden()
    assert_same(head(hidden, LENGTHS), in_a_loop(head, hidden, POOLS[head_class]))


@each_head
def test_small_initialization_starts_with_equal_classes(head_class: type[Head]) -> None:
    head = make(head_class, input_size=200, num_classes=100, initialization="small")
    assert head.output.weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert not head.output.bias.any()


@each_head
def test_torch_initialization_equals_nn_linear(head_class: type[Head]) -> None:
    torch.manual_seed(1)
    head = make(head_class, initialization="torch")
    torch.manual_seed(1)
    expected = torch.nn.Linear(head.output.in_features, C).weight.double()
    assert torch.equal(head.output.weight, expected)


@each_head
def test_dropout_drops_pooled_features_in_training_only(head_class: type[Head]) -> None:
    head, hidden = make(head_class, dropout=0.5), some_hidden()
    with torch.no_grad():
        head.output.weight.copy_(
            torch.eye(C, head.output.in_features)
        )  # logits are the first pooled features
        head.output.bias.zero_()
    kept = head.eval()(hidden, LENGTHS)
    ratios = head.train()(hidden, LENGTHS) / kept
    assert {round(ratio, 6) for ratio in ratios.flatten().tolist()} == {0.0, 2.0}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dropout": 1.0}, r"0 <= dropout < 1, got dropout=1\.0"),
        ({"dropout": -0.5}, r"0 <= dropout < 1, got dropout=-0\.5"),
        ({"initialization": "zero"}, r"small or torch, got initialization='zero'"),
    ],
)
@each_head
def test_a_bad_argument_is_refused_with_rule_and_value(
    head_class: type[Head], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make(head_class, **changes)


def test_attention_without_a_query_is_refused() -> None:
    with pytest.raises(ValueError, match=r"attention_size >= 1, got attention_size=0"):
        make(Attention, attention_size=0)


def test_all_steps_refuses_a_longer_sequence() -> None:
    head = AllSteps(
        input_size=2,
        backward_size=0,
        summary_size=0,
        num_classes=3,
        num_steps=4,
        stride=1,
        dropout=0.0,
        initialization="torch",
    )
    with pytest.raises(ValueError, match=r"head=all_steps reads 4 steps.*head\.num_steps=5"):
        head(torch.zeros(1, 5, 2), torch.tensor([5]))


def test_all_steps_has_its_own_weights_for_each_step() -> None:
    head = AllSteps(
        input_size=2,
        backward_size=0,
        summary_size=0,
        num_classes=3,
        num_steps=4,
        stride=1,
        dropout=0.0,
        initialization="torch",
    ).double()
    hidden = torch.randn(1, 3, 2, dtype=torch.float64)
    expected = head.output.weight[:, :4] @ hidden[0, :2].flatten() + head.output.bias
    torch.testing.assert_close(head(hidden, torch.tensor([2]))[0], expected)


def strided(*, stride: int) -> AllSteps:
    return AllSteps(
        input_size=2,
        backward_size=0,
        summary_size=0,
        num_classes=3,
        num_steps=7,
        stride=stride,
        dropout=0.0,
        initialization="torch",
    )


def test_stride_3_reads_the_third_and_the_sixth_step() -> None:
    head = strided(stride=3).double()
    hidden = torch.randn(1, 7, 2, dtype=torch.float64)
    expected = head.output.weight @ hidden[0, [2, 5]].flatten() + head.output.bias
    torch.testing.assert_close(head(hidden, torch.tensor([7]))[0], expected)


@pytest.mark.parametrize("stride", [0, 8])
def test_a_stride_that_reads_no_step_is_refused(stride: int) -> None:
    with pytest.raises(ValueError, match=rf"1 <= stride <= num_steps.*stride={stride}"):
        strided(stride=stride)


def all_heads() -> list[Head]:
    return [*map(make, POOLS), make(AllSteps, num_steps=9, stride=1)]  # type: ignore[arg-type]


@pytest.mark.parametrize("head", all_heads(), ids=lambda head: type(head).__name__)
@pytest.mark.parametrize("begins_empty", [False, True])
@pytest.mark.parametrize("sizes", [[7], [1, 6], [3, 2, 2], [1] * 7])
def test_folded_chunks_have_the_logits_of_the_whole_sequence(
    head: Head, sizes: list[int], begins_empty: bool
) -> None:
    hidden = 30 * torch.randn(4, 7, H, dtype=torch.float64)  # exp of a score must not overflow
    memory = head.start(hidden[:, 0]) if begins_empty else None
    for chunk in hidden.split(sizes, dim=1):
        memory = head.fold(chunk, memory)
    assert memory is not None
    assert_same(head.classify(memory), head(hidden, torch.full((4,), 7)))


@pytest.mark.parametrize("head_class", POOLS)
def test_the_memory_does_not_grow_with_the_sequence(head_class: type[Head]) -> None:
    head = make(head_class)
    early = head.fold(torch.randn(2, 5, H).double(), None)
    late = head.fold(torch.randn(2, 50, H).double(), early)
    assert [part.shape for part in early] == [part.shape for part in late]


@each_head
def test_a_summary_is_joined_before_the_linear_layer(head_class: type[Head]) -> None:
    head, hidden = make(head_class, summary_size=2), some_hidden()
    summary = torch.randn(len(LENGTHS), 2, dtype=torch.float64)

    joined = torch.cat([summary, head.pool(hidden, LENGTHS)], dim=1)

    torch.testing.assert_close(head(hidden, LENGTHS, summary), head.output(joined))
