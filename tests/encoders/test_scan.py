"""Both forms of the scan and their gradients, against a loop."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from unrolled.encoders.blocks import scan as scan_module
from unrolled.encoders.blocks.scan import logarithmic_scan, scan, sequential_scan

FORMS = {"sequential": sequential_scan, "logarithmic": logarithmic_scan}
each_form = pytest.mark.parametrize("form", FORMS)
each_dtype = pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
LENGTHS = (1, 2, 3, 7, 16, 33)


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make `scan` use a form on any device."""
    return lambda form: monkeypatch.setattr(scan_module, "_fastest", lambda device: FORMS[form])


def coefficients(num_steps: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    shape = (3, num_steps, 4)
    return 0.7 * torch.randn(shape, dtype=dtype), torch.randn(shape, dtype=dtype)


def by_loop(a: Tensor, b: Tensor, h: Tensor) -> Tensor:
    hidden = []
    for t in range(b.shape[1]):
        h = a[:, t] * h + b[:, t]
        hidden.append(h)
    return torch.stack(hidden, dim=1)


def assert_same(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=1e-7, atol=1e-12)


@each_dtype
@each_form
def test_a_scan_equals_the_loop(form: str, dtype: torch.dtype) -> None:
    for a, b in (coefficients(num_steps, dtype) for num_steps in LENGTHS):
        assert_same(FORMS[form](a, b, reverse=False), by_loop(a, b, torch.zeros_like(b[:, 0])))


@each_dtype
@each_form
def test_a_reverse_scan_equals_the_loop_from_the_end(form: str, dtype: torch.dtype) -> None:
    for a, b in (coefficients(num_steps, dtype) for num_steps in LENGTHS):
        expected = by_loop(a.flip(1), b.flip(1), torch.zeros_like(b[:, 0])).flip(1)
        assert_same(FORMS[form](a, b, reverse=True), expected)


@each_dtype
@each_form
def test_gradients_equal_the_loops_gradients(
    form: str, dtype: torch.dtype, use: Callable[[str], None]
) -> None:
    use(form)
    a, b = (part.requires_grad_() for part in coefficients(9, dtype))
    h = torch.randn(3, 4, dtype=dtype, requires_grad=True)
    weight = torch.randn(3, 9, 4, dtype=dtype)
    expected = torch.autograd.grad((by_loop(a, b, h) * weight).sum().abs(), (a, b, h))
    actual = torch.autograd.grad((scan(a, b, None, (h,))[0] * weight).sum().abs(), (a, b, h))
    for ours, theirs in zip(actual, expected, strict=True):
        assert_same(ours, theirs)


@each_dtype
@each_form
def test_gradcheck(form: str, dtype: torch.dtype, use: Callable[[str], None]) -> None:
    use(form)
    a, b = (part[:1, :, :2].requires_grad_() for part in coefficients(5, dtype))
    h = torch.randn(1, 2, dtype=dtype, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, b, h: scan(a, b, None, (h,))[0], (a, b, h))


@each_form
def test_coefficients_may_be_the_same_for_all_steps(form: str, use: Callable[[str], None]) -> None:
    use(form)
    _, b = coefficients(6, torch.complex128)
    a = torch.randn(4, dtype=torch.complex128, requires_grad=True)
    ours = torch.autograd.grad(scan(a, b, None, None)[0].abs().sum(), a)
    expected = by_loop(a.expand_as(b), b, torch.zeros_like(b[:, 0])).abs().sum()
    assert_same(ours[0], torch.autograd.grad(expected, a)[0])


def test_the_state_comes_from_each_sequences_last_real_step() -> None:
    a, b = coefficients(6, torch.float64)
    hidden, (last,) = scan(a, b, torch.tensor([6, 1, 4]), None)
    assert torch.equal(last, torch.stack([hidden[0, 5], hidden[1, 0], hidden[2, 3]]))


@each_form
def test_16384_steps_are_summed_without_loss(form: str, use: Callable[[str], None]) -> None:
    """Sums are in single precision, for gates that forget at once to gates that never do."""
    use(form)
    num_steps = 16_384
    for gate in (1e-30, 0.5, 0.999, 1.0):
        a = torch.full((1, num_steps, 1), gate, requires_grad=True)
        b = torch.full((1, num_steps, 1), 1e-2, requires_grad=True)
        hidden = scan(a, b, None, None)[0]
        hidden[:, -1].sum().backward()
        closed = num_steps if gate == 1 else (1 - gate**num_steps) / (1 - gate)
        assert float(hidden[0, -1, 0].detach()) == pytest.approx(1e-2 * closed, rel=1e-3)
        assert a.grad is not None
        assert a.grad.isfinite().all()
