"""The compiled loops of rnn, lstm and gru: against torch and plain Python, without a compiler."""

import logging
import stat
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from unrolled.encoders.blocks.encoder import Sizes
from unrolled.encoders.blocks.stacked import Stacked
from unrolled.encoders.gru import GRU
from unrolled.encoders.native import compiled, kernel, reference
from unrolled.encoders.native.cells import Weights, run
from unrolled.encoders.native.compiled import UnavailableError, library

MODULES: dict[str, Any] = {
    "tanh": nn.RNN,
    "relu": lambda *sizes, **options: nn.RNN(*sizes, nonlinearity="relu", **options),
    "lstm": nn.LSTM,
    "gru": nn.GRU,
}
CPU = torch.device("cpu")


def is_available() -> bool:
    try:
        library(torch.float32, "cells")
    except UnavailableError:
        return False
    return True


needs_compiler = pytest.mark.skipif(not is_available(), reason="no C++ compiler")
each_cell = pytest.mark.parametrize("cell", MODULES)


class Case:
    """A module of torch with an input, a state and lengths."""

    def __init__(
        self, cell: str, *, b: int, t: int, d: int, h: int, dtype: torch.dtype, ragged: bool
    ) -> None:
        self.cell = cell
        self.module = MODULES[cell](d, h, batch_first=True).to(dtype)
        self.weights = Weights(*self.module.parameters())
        self.x = torch.randn(b, t, d, dtype=dtype, requires_grad=True)
        self.lengths = torch.randint(1, t + 1, (b,)) if ragged else torch.full((b,), t)
        num_states = 2 if cell == "lstm" else 1
        self.state = tuple(
            torch.randn(b, h, dtype=dtype, requires_grad=True) for _ in range(num_states)
        )
        self.weighting = torch.randn(b, t, h, dtype=dtype)

    @property
    def tensors(self) -> list[Tensor]:
        return [self.x, *self.state, *self.weights]

    def native(self) -> Tensor:
        functions = library(self.x.dtype, "cells")
        return run(functions, self.cell, self.x, self.lengths, self.state, self.weights)

    def plain(self) -> Tensor:
        return reference.run(self.cell, self.x, self.lengths, self.state, self.weights)

    def torchs(self) -> Tensor:
        first = tuple(part[None] for part in self.state)
        outputs: Tensor = self.module(self.x, first if self.cell == "lstm" else first[0])[0]
        steps = torch.arange(self.x.shape[1])
        return outputs * (steps < self.lengths[:, None])[:, :, None]

    def with_gradients(self, outputs: Tensor) -> list[Tensor]:
        return [
            outputs.detach(),
            *torch.autograd.grad((outputs * self.weighting).sum(), self.tensors),
        ]


@needs_compiler
@each_cell
@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize(
    ("b", "t", "d", "h", "ragged"),
    [(1, 3, 2, 5, False), (13, 6, 1, 16, True), (70, 5, 4, 33, True), (64, 4, 33, 8, False)],
)
def test_outputs_and_gradients_equal_torchs_and_the_plain_ones(
    cell: str, dtype: torch.dtype, rtol: float, b: int, t: int, d: int, h: int, ragged: bool
) -> None:
    case = Case(cell, b=b, t=t, d=d, h=h, dtype=dtype, ragged=ragged)
    found = case.with_gradients(case.native())
    for expected in (case.with_gradients(case.torchs()), case.with_gradients(case.plain())):
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=rtol, atol=rtol * float(other.abs().max()))
    with torch.no_grad():
        assert torch.equal(case.native(), found[0])


@needs_compiler
@each_cell
def test_gradients_are_those_of_finite_differences(cell: str) -> None:
    case = Case(cell, b=3, t=4, d=2, h=5, dtype=torch.float64, ragged=True)

    def outputs(x: Tensor, *rest: Tensor) -> Tensor:
        state, weights = rest[: len(case.state)], Weights(*rest[len(case.state) :])
        return run(library(torch.float64, "cells"), cell, x, case.lengths, state, weights)

    assert torch.autograd.gradcheck(outputs, tuple(case.tensors))


@needs_compiler
@each_cell
def test_threads_and_repetitions_change_no_bit_of_the_outputs(cell: str) -> None:
    case = Case(cell, b=61, t=7, d=3, h=20, dtype=torch.float32, ragged=True)
    before = torch.get_num_threads()
    results = []
    try:
        for num_threads in (1, 3, 3):
            torch.set_num_threads(num_threads)
            results.append(case.native())
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(result, results[0]) for result in results)


@needs_compiler
@each_cell
def test_values_beyond_every_limit_keep_their_meaning(cell: str) -> None:
    case = Case(cell, b=4, t=3, d=1, h=4, dtype=torch.float32, ragged=False)
    with torch.no_grad():
        case.x.copy_(torch.tensor([1e30, -1e30, 0.0, float("nan")])[:, None, None].expand(4, 3, 1))
        found, expected = case.native(), case.torchs()
    if cell == "relu":  # infinite values: torch's differ between versions
        found, expected = found[2:], expected[2:]
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6, equal_nan=True)


def gru(kernel: str) -> Stacked:
    torch.manual_seed(1)
    return Stacked(
        Sizes(input_size=2, num_steps=6),
        layer=GRU,
        hidden_size=5,
        num_layers=2,
        bidirectional=True,
        dropout=0.0,
        learn_initial_state=True,
        initialization="orthogonal",
        chrono_steps=None,
        kernel=kernel,
    )


@needs_compiler
def test_a_stack_with_both_directions_has_the_same_weights_and_outputs() -> None:
    x, lengths = torch.randn(3, 6, 2), torch.tensor([6, 2, 4])
    native, torchs = gru("native"), gru("torch")
    assert native.resolve_kernel(CPU) == "native"
    native.load_state_dict(torchs.state_dict())
    real = torch.arange(6) < lengths[:, None]
    torch.testing.assert_close(native(x, lengths)[real], torchs(x, lengths)[real])


def test_auto_depends_on_the_cell_and_the_cpu_alone() -> None:
    modern = frozenset({"avx2", "fma"})
    faster = {cell for cell in kernel.SOURCES if kernel.is_faster(cell, modern)}
    assert faster == {*kernel.SOURCES} - {"lstm"}
    assert not any(kernel.is_faster(cell, frozenset({"sse4_2"})) for cell in kernel.SOURCES)
    assert kernel.resolve("native", "gru", torch.device("cuda")) == "torch"


@pytest.fixture
def _nothing_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for function in (library, kernel._is_available):
        function.cache_clear()
    yield
    for function in (library, kernel._is_available):
        function.cache_clear()


@pytest.mark.usefixtures("_nothing_cached")
@pytest.mark.parametrize(
    ("compiler", "reason"),
    [("/nowhere/c++", "No such file"), ("false", "returned non-zero"), ("true", "cells-")],
)
def test_without_a_working_compiler_torch_is_used_and_the_log_has_the_reason(
    compiler: str, reason: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CXX", compiler)
    encoder = gru("native")
    with caplog.at_level(logging.INFO):
        outputs = encoder(torch.randn(1, 6, 2), torch.tensor([6]))
        encoder(torch.randn(1, 6, 2), torch.tensor([6]))
    assert outputs.shape == (1, 6, 10)
    assert encoder.resolve_kernel(CPU) == "torch"
    assert len(caplog.records) == 1
    assert reason in caplog.text


@pytest.mark.usefixtures("_nothing_cached")
def test_a_cache_folder_that_others_can_write_to_is_not_used() -> None:
    compiled.cache_folder().mkdir(parents=True)
    compiled.cache_folder().chmod(0o777)
    with pytest.raises(UnavailableError, match="others can write to it"):
        library(torch.float32, "cells")


@needs_compiler
@pytest.mark.usefixtures("_nothing_cached")
def test_the_library_is_compiled_once_into_a_folder_of_the_user() -> None:
    library(torch.float32, "cells")
    files = {path: path.stat().st_mtime_ns for path in compiled.cache_folder().iterdir()}
    library.cache_clear()
    library(torch.float32, "cells")
    after = {path: path.stat().st_mtime_ns for path in compiled.cache_folder().iterdir()}
    assert {path for path in after if path.suffix == ".so"} == {
        path for path in files if path.suffix == ".so" and files[path] == after[path]
    }
    assert stat.S_IMODE(compiled.cache_folder().stat().st_mode) == 0o700
    assert len(files) == 2  # the library and the lock
