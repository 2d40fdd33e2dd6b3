"""The compiled loops of layers in residual stacks, against the same layers in torch."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from unrolled.contracts import real_steps
from unrolled.encoders.blocks.encoder import Sizes, State
from unrolled.encoders.blocks.residual import Layer, ResidualStack
from unrolled.encoders.indrnn import IndRNN
from unrolled.encoders.lem import LEM
from unrolled.encoders.lru import LRU
from unrolled.encoders.mingru import MinGRU
from unrolled.encoders.minlstm import MinLSTM
from unrolled.encoders.native import kernel, lem_slstm, scans
from unrolled.encoders.native.compiled import UnavailableError, library
from unrolled.encoders.native.kernel import SOURCES
from unrolled.encoders.s4d import S4D
from unrolled.encoders.slstm import SLSTM

LAYERS: dict[str, Callable[[int, int], Layer]] = {
    "mingru": lambda d, h: MinGRU(Sizes(d, 6), hidden_size=h),
    "minlstm": lambda d, h: MinLSTM(Sizes(d, 6), hidden_size=h, forget_bias=1.0),
    "lru": lambda d, h: LRU(
        Sizes(d, 6), hidden_size=h, state_size=h + 3, r_min=0.5, r_max=0.99, max_phase=6.283
    ),
    "s4d": lambda d, h: S4D(Sizes(d, 6), hidden_size=h, state_size=7, dt_min=0.01, dt_max=0.5),
    "lem": lambda d, h: LEM(Sizes(d, 6), hidden_size=h, dt=0.7),
    "slstm": lambda d, h: SLSTM(Sizes(d, 6), hidden_size=h, num_heads=2, forget_bias=1.0),
}


def is_available() -> bool:
    try:
        library(torch.float32, "scans")
    except UnavailableError:
        return False
    return True


pytestmark = pytest.mark.skipif(not is_available(), reason="no C++ compiler")
each_cell = pytest.mark.parametrize("cell", LAYERS)


class Case:
    """A layer with an input and lengths."""

    def __init__(
        self, cell: str, *, b: int, t: int, d: int, h: int, dtype: torch.dtype, ragged: bool
    ) -> None:
        self.layer = LAYERS[cell](d, h).to(dtype)
        self.library = library(dtype, SOURCES[cell])
        self.x = torch.randn(b, t, d, dtype=dtype, requires_grad=True)
        self.lengths = torch.randint(1, t + 1, (b,)) if ragged else torch.full((b,), t)
        self.weighting = torch.randn(b, t, h, dtype=dtype)

    def native(self) -> Tensor:
        return self._real(self.layer.run_native(self.library, self.x, self.lengths))

    def torchs(self) -> Tensor:
        return self._real(self.layer(self.x))

    def _real(self, outputs: Tensor) -> Tensor:
        real = real_steps(self.lengths, self.x.shape[1])
        return outputs.masked_fill(~real[:, :, None], 0.0)

    def with_gradients(self, outputs: Tensor) -> list[Tensor]:
        tensors = [self.x, *self.layer.parameters()]
        return [outputs.detach(), *torch.autograd.grad((outputs * self.weighting).sum(), tensors)]


@each_cell
@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float32, 2e-5), (torch.float64, 1e-11)])
@pytest.mark.parametrize(
    ("b", "t", "d", "h", "ragged"),
    [
        (1, 3, 2, 6, False),
        (13, 6, 1, 16, True),
        (70, 5, 4, 34, True),
        (40, 9, 8, 8, False),
        (5, 3, 2, 64, True),
    ],
)
def test_outputs_and_gradients_equal_those_of_torch(
    cell: str, dtype: torch.dtype, rtol: float, b: int, t: int, d: int, h: int, ragged: bool
) -> None:
    case = Case(cell, b=b, t=t, d=d, h=h, dtype=dtype, ragged=ragged)
    found = case.with_gradients(case.native())
    expected = case.with_gradients(case.torchs())
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=rtol, atol=rtol * float(other.abs().max()))
    with torch.no_grad():
        assert torch.equal(case.native(), found[0])


@each_cell
def test_gradients_are_those_of_finite_differences(cell: str) -> None:
    case = Case(cell, b=3, t=4, d=2, h=4, dtype=torch.float64, ragged=True)
    names = [name for name, _ in case.layer.named_parameters()]

    class Native(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = case.layer

        def forward(self, x: Tensor) -> Tensor:
            return case._real(self.layer.run_native(case.library, x, case.lengths))

    native = Native()

    def outputs(x: Tensor, *parameters: Tensor) -> Tensor:
        values = {f"layer.{name}": p for name, p in zip(names, parameters, strict=True)}
        result: Tensor = torch.func.functional_call(native, values, (x,))
        return result

    tensors = (case.x, *(p.detach().requires_grad_() for p in case.layer.parameters()))
    assert torch.autograd.gradcheck(outputs, tensors)


@each_cell
def test_threads_and_repetitions_change_no_bit(cell: str) -> None:
    b, t, h = 61, 7, 20
    lengths = torch.randint(1, t + 1, (b,))
    functions = library(torch.float32, SOURCES[cell])
    # the size of the input, and the other arguments
    width, others = {
        "mingru": (2 * h, ()),
        "minlstm": (3 * h, ()),
        "lru": (2 * h, ((torch.rand(2, h) / 2).requires_grad_(),)),
        "s4d": (h, ((torch.rand(4, 3, h) / 2).requires_grad_(),)),
        "lem": (4 * h, (torch.nn.Identity(), torch.rand(3 * h, h), torch.rand(h, h), 0.5)),
        "slstm": (4 * h, (torch.nn.Identity(), torch.rand(2, 2 * h, h // 2))),
    }[cell]
    x = torch.randn(b, t, width, requires_grad=True)
    run = getattr(lem_slstm if cell in ("lem", "slstm") else scans, cell)
    before = torch.get_num_threads()
    results = []
    try:
        for num_threads in (1, 3, 3):
            torch.set_num_threads(num_threads)
            outputs = run(functions, x, lengths, *others)
            inputs = [x, *(other for other in others if getattr(other, "requires_grad", False))]
            results.append([outputs, *torch.autograd.grad(outputs.square().sum(), inputs)])
    finally:
        torch.set_num_threads(before)
    for result in results[1:]:
        assert all(map(torch.equal, result, results[0]))


@each_cell
def test_padding_that_was_never_written_has_no_influence_on_gradients(cell: str) -> None:
    case = Case(cell, b=13, t=6, d=1, h=16, dtype=torch.float32, ragged=True)
    expected = case.with_gradients(case.torchs())
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)  # new memory holds NaN
    try:
        found = case.with_gradients(case.native())
    finally:
        torch.use_deterministic_algorithms(before)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=2e-5, atol=2e-5 * float(other.abs().max()))


@each_cell
def test_an_empty_batch_and_expanded_lengths_work(cell: str) -> None:
    case = Case(cell, b=4, t=3, d=2, h=6, dtype=torch.float32, ragged=False)
    expected = case.native()
    case.lengths = torch.tensor([3]).expand(4)
    assert torch.equal(case.native(), expected)
    empty = case.layer.run_native(case.library, case.x[:0], case.lengths[:0])
    empty.sum().backward()
    assert empty.shape == (0, 3, 6)


@each_cell
def test_frozen_weights_have_the_same_outputs(cell: str) -> None:
    case = Case(cell, b=4, t=3, d=2, h=6, dtype=torch.float32, ragged=True)
    expected = case.native()
    case.layer.requires_grad_(False)
    case.x.requires_grad_(False)
    assert torch.equal(case.native(), expected)


class Changed(MinGRU):
    """Equations of its own, but no compiled loop for them."""

    def read(self, x: Tensor, lengths: Tensor | None, state: State | None) -> tuple[Tensor, State]:
        hidden, after = super().read(x, lengths, state)
        return 2 * hidden, after


def test_a_changed_layer_is_not_computed_by_the_loop_of_its_parent() -> None:
    x, lengths = torch.randn(3, 6, 2), torch.full((3,), 6)
    encoder = stack(Changed, "auto")
    torch.testing.assert_close(encoder(x, lengths), encoder.read(x, lengths, None)[0])
    assert encoder.resolve_kernel(torch.device("cpu")) == "torch"


@each_cell
def test_values_beyond_every_limit_keep_their_meaning(cell: str) -> None:
    case = Case(cell, b=3, t=3, d=1, h=4, dtype=torch.float32, ragged=False)
    with torch.no_grad():
        case.x.copy_(torch.tensor([1e4, -1e4, 0.0])[:, None, None].expand(3, 3, 1))
        found, expected = case.native(), case.torchs()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        case.x.fill_(float("nan"))
        assert case.native().isnan().all()


def stack(layer: Callable[..., Layer], chosen: str) -> ResidualStack:
    torch.manual_seed(1)
    return ResidualStack(
        Sizes(2, 6),
        layer=layer,
        hidden_size=4,
        num_layers=2,
        residual=True,
        mixing=True,
        conv_size=2,
        dropout=0.0,
        recurrent_lr_scale=1.0,
        kernel=chosen,
    )


def test_a_stack_has_the_same_outputs_with_both_kernels() -> None:
    cpu, x, lengths = torch.device("cpu"), torch.randn(3, 6, 2), torch.tensor([6, 2, 4])
    native, torchs = stack(MinGRU, "native"), stack(MinGRU, "torch")
    assert (native.resolve_kernel(cpu), torchs.resolve_kernel(cpu)) == ("native", "torch")
    real = real_steps(lengths, 6)
    torch.testing.assert_close(native(x, lengths)[real], torchs(x, lengths)[real])
    assert native.resolve_kernel(torch.device("cuda")) == "torch"


def test_a_layer_without_a_compiled_loop_is_computed_by_torch(
    caplog: pytest.LogCaptureFixture,
) -> None:
    layer, cpu = partial(IndRNN, amplification=2.0, last_u_min=0.0), torch.device("cpu")
    kernel._warn_of_no_loop.cache_clear()
    assert stack(layer, "auto").resolve_kernel(cpu) == "torch"
    assert not caplog.records
    encoder = stack(layer, "native")
    assert encoder.resolve_kernel(cpu) == encoder.resolve_kernel(cpu) == "torch"
    assert [r.getMessage() for r in caplog.records] == [
        "model.kernel=native: this model has no compiled loop, so PyTorch computes it"
    ]
    assert encoder(torch.randn(3, 6, 2), torch.tensor([6, 2, 4])).shape == (3, 6, 4)
