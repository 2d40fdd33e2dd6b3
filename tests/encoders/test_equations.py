"""Every hand-written layer against its paper's equations, one sequence and one unit at a time.

The references below are written from the equations with numpy, a loop over steps, and no code of
the package; they read the layer's parameters and nothing else of it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor

from unrolled.encoders.blocks.encoder import Sizes
from unrolled.encoders.blocks.residual import Layer
from unrolled.encoders.cornn import CoRNN
from unrolled.encoders.indrnn import IndRNN
from unrolled.encoders.lem import LEM
from unrolled.encoders.lmu import LMU
from unrolled.encoders.lmu_fft import LMUFFT
from unrolled.encoders.lru import LRU
from unrolled.encoders.mingru import MinGRU
from unrolled.encoders.minlstm import MinLSTM
from unrolled.encoders.s4d import S4D
from unrolled.encoders.slstm import SLSTM

D, H, T = 3, 4, 7
Array = Any


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def mingru(x: Array, p: dict[str, Array]) -> Array:
    w, b, h, out = p["gate_and_candidate.weight"], p["gate_and_candidate.bias"], np.zeros(H), []
    for x_t in x:
        z, candidate = sigmoid(w[:H] @ x_t + b[:H]), w[H:] @ x_t + b[H:]
        h = (1 - z) * h + z * candidate
        out.append(h)
    return out


def minlstm(x: Array, p: dict[str, Array]) -> Array:
    w, b, h, out = p["gates_and_candidate.weight"], p["gates_and_candidate.bias"], np.zeros(H), []
    for x_t in x:
        f, i, candidate = np.split(w @ x_t + b, 3)
        f, i = sigmoid(f), sigmoid(i)
        h = f / (f + i) * h + i / (f + i) * candidate
        out.append(h)
    return out


def lru(x: Array, p: dict[str, Array]) -> Array:
    n = len(p["log_nu"])
    eigenvalues = np.exp(-np.exp(p["log_nu"]) + 1j * np.exp(p["log_theta"]))
    b = p["b_parts"][:n] + 1j * p["b_parts"][n:]
    c = p["c_parts"][:, :n] - 1j * p["c_parts"][:, n:]
    s, out = np.zeros(n, complex), []
    for x_t in x:
        s = eigenvalues * s + np.exp(p["log_gamma"]) * (b @ x_t)
        out.append((c @ s).real + (p["d"] * x_t if "d" in p else 0))
    return out


def indrnn(x: Array, p: dict[str, Array]) -> Array:
    u, h, out = np.clip(p["u"], -(2 ** (1 / T)), 2 ** (1 / T)), np.zeros(H), []
    for x_t in x:
        h = relu(p["input.weight"] @ x_t + p["input.bias"] + u * h)
        out.append(h)
    return out


def s4d(x: Array, p: dict[str, Array]) -> Array:
    """By the kernel's definition: a double sum, the conjugate half of the states written out."""
    a = -np.exp(p["log_decay"]) + 1j * p["frequency"]
    dt = np.exp(p["log_dt"])[:, None]
    c = p["c_parts"][0] + 1j * p["c_parts"][1]
    x = x @ p["input.weight"].T + p["input.bias"] if "input.weight" in p else x
    out = []
    for t in range(len(x)):
        y = p["d"] * x[t]
        for s in range(t + 1):
            for aa, cc in ((a, c), (a.conj(), c.conj())):
                bar = (np.exp(dt * aa) - 1) / aa
                y = y + (cc * np.exp(dt * aa) ** (t - s) * bar).sum(1).real * x[s]
        out.append(y)
    return out


def cornn(x: Array, p: dict[str, Array]) -> Array:
    w_z, w_y = p["recurrent.weight"][:, :H], p["recurrent.weight"][:, H:]
    y, z, out = np.zeros(H), np.zeros(H), []
    for x_t in x:
        force = np.tanh(w_y @ y + w_z @ z + p["input.weight"] @ x_t + p["input.bias"])
        z = z + 0.3 * (force - 2.0 * y - 4.0 * z)
        y = y + 0.3 * z
        out.append(y)
    return out


def lem(x: Array, p: dict[str, Array]) -> Array:
    v_a, v_c, v_z, v_y = np.split(p["input.weight"], 4)
    b_a, b_c, b_z, b_y = np.split(p["input.bias"], 4)
    w_a, w_c, w_z = np.split(p["from_y.weight"], 3)
    y, z, out = np.zeros(H), np.zeros(H), []
    for x_t in x:
        a = 0.3 * sigmoid(w_a @ y + v_a @ x_t + b_a)
        c = 0.3 * sigmoid(w_c @ y + v_c @ x_t + b_c)
        z = (1 - a) * z + a * np.tanh(w_z @ y + v_z @ x_t + b_z)
        y = (1 - c) * y + c * np.tanh(p["from_z.weight"] @ z + v_y @ x_t + b_y)
        out.append(y)
    return out


def slstm(x: Array, p: dict[str, Array]) -> Array:
    """Without the stabiliser, which has to cancel."""
    w, r = p["input.weight"], p["recurrent"]
    num_heads, size = len(r), H // len(r)
    h, c, n, out = np.zeros(H), np.zeros(H), np.zeros(H), []
    for x_t in x:
        gates = (w @ x_t + p["input.bias"]).reshape(4, H)
        for head in range(num_heads):
            own = slice(head * size, (head + 1) * size)
            gates[:, own] += (r[head] @ h[own]).reshape(4, size)
        i, f, o, z = gates
        c = sigmoid(f) * c + np.exp(i) * np.tanh(z)
        n = sigmoid(f) * n + np.exp(i)
        h = sigmoid(o) * c / n
        out.append(h)
    return out


def legendre(order: int, theta: float) -> tuple[Array, Array]:
    a, b = np.zeros((order, order)), np.zeros(order)
    for i in range(order):
        b[i] = (2 * i + 1) * (-1) ** i / theta
        for j in range(order):
            a[i, j] = (2 * i + 1) / theta * (-1 if i < j else (-1) ** (i - j + 1))
    discrete = scipy.linalg.expm(a)
    b = np.linalg.solve(a, (discrete - np.eye(order)) @ b)
    single = np.float32  # the layers keep them in single precision
    return discrete.astype(single).astype(float), b.astype(single).astype(float)


def lmu(x: Array, p: dict[str, Array]) -> Array:
    a, b = legendre(5, T)
    num_signals = len(p["e_x"])
    h, m, out = np.zeros(H), np.zeros((num_signals, 5)), []
    for x_t in x:
        u = p["e_x"] @ x_t + p["e_h"] @ h + p["e_m"] @ m.ravel()
        m = np.stack([a @ m[k] + b * u[k] for k in range(num_signals)])
        h = np.tanh(p["w_x"] @ x_t + p["w_h"] @ h + p["w_m"] @ m.ravel())
        out.append(h)
    return out


def lmu_fft(x: Array, p: dict[str, Array]) -> Array:
    a, b = legendre(5, 20.0)
    m, out = np.zeros((len(p["to_memory.bias"]), 5)), []
    for x_t in x:
        u = relu(p["to_memory.weight"] @ x_t + p["to_memory.bias"])
        m = np.stack([a @ m[k] + b * u[k] for k in range(len(u))])
        both = np.concatenate([m.ravel(), x_t])
        out.append(relu(p["to_hidden.weight"] @ both + p["to_hidden.bias"]))
    return out


SIZES = {"sizes": Sizes(input_size=D, num_steps=T), "hidden_size": H}
SQUARE = {"sizes": Sizes(input_size=D, num_steps=T), "hidden_size": D}
RING = {"r_min": 0.3, "r_max": 0.95, "max_phase": 6.28}
MEMORY = {"order": 5}
STEP_SIZES = {"dt_min": 0.01, "dt_max": 0.5}
CASES: dict[str, tuple[Callable[[], Layer], Callable[..., Array]]] = {
    "mingru": (lambda: MinGRU(**SIZES), mingru),
    "minlstm": (lambda: MinLSTM(**SIZES, forget_bias=1.0), minlstm),
    "lru": (lambda: LRU(**SIZES, state_size=6, **RING), lru),
    "lru_square": (lambda: LRU(**SQUARE, state_size=6, **RING), lru),
    "indrnn": (lambda: IndRNN(**SIZES, amplification=2.0, last_u_min=0.0), indrnn),
    "s4d": (lambda: S4D(**SIZES, state_size=5, **STEP_SIZES), s4d),
    "s4d_square": (
        lambda: S4D(**SQUARE, state_size=5, **STEP_SIZES),
        s4d,
    ),
    "cornn": (lambda: CoRNN(**SIZES, dt=0.3, gamma=2.0, epsilon=4.0), cornn),
    "lem": (lambda: LEM(**SIZES, dt=0.3), lem),
    "slstm": (lambda: SLSTM(**SIZES, num_heads=2, forget_bias=1.0), slstm),
    "lmu": (lambda: LMU(**SIZES, memory_size=1, window=None, **MEMORY), lmu),
    "lmu_signals": (lambda: LMU(**SIZES, memory_size=2, window=None, **MEMORY), lmu),
    "lmu_fft": (lambda: LMUFFT(**SIZES, memory_size=1, window=20.0, **MEMORY), lmu_fft),
    "lmu_fft_signals": (
        lambda: LMUFFT(**SIZES, memory_size=2, window=20.0, **MEMORY),
        lmu_fft,
    ),
}
each_layer = pytest.mark.parametrize("name", CASES)


def make(name: str) -> Layer:
    layer = CASES[name][0]()
    with torch.no_grad():  # what starts at zero or at a bound would hide what it does
        for parameter in layer.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return layer.double()


def some_input() -> Tensor:
    return torch.randn(2, T, D, dtype=torch.float64)


@each_layer
def test_a_layer_is_the_loop_of_its_equations(name: str) -> None:
    layer, x = make(name), some_input()
    numbers = {key: value.detach().numpy() for key, value in layer.named_parameters()}
    expected = np.array([CASES[name][1](row.numpy(), numbers) for row in x])
    np.testing.assert_allclose(layer(x).detach().numpy(), expected, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(
        layer.read(x, None, None)[0].detach().numpy(), expected, rtol=1e-7, atol=1e-12
    )


@each_layer
def test_gradcheck(name: str) -> None:
    layer, x = make(name), some_input()[:1, :4].requires_grad_()
    names, parameters = zip(*layer.named_parameters(), strict=True)
    free = [parameter.detach().clone().requires_grad_() for parameter in parameters]

    def hidden(x: Tensor, *values: Tensor) -> Tensor:
        return torch.func.functional_call(layer, dict(zip(names, values, strict=True)), (x,))

    assert torch.autograd.gradcheck(hidden, (x, *free))


def test_the_stabiliser_keeps_gates_finite_that_would_overflow() -> None:
    layer = SLSTM(**SIZES, num_heads=2, forget_bias=1.0)
    x = (1e4 * torch.randn(2, 50, D)).requires_grad_()
    hidden = layer(x)
    hidden.sum().backward()
    assert hidden.isfinite().all()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_lru_eigenvalues_start_on_the_ring() -> None:
    layer = LRU(**SIZES, state_size=500, r_min=0.5, r_max=0.9, max_phase=0.3)
    radius, phase = (-layer.log_nu.detach().exp()).exp(), layer.log_theta.detach().exp()
    assert 0.5 <= float(radius.min()) < 0.52
    assert 0.88 < float(radius.max()) <= 0.9
    assert 0 <= float(phase.min()) < float(phase.max()) <= 0.3


def test_indrnn_weights_beyond_the_bound_act_as_the_bound_and_can_come_back() -> None:
    layer = IndRNN(
        Sizes(input_size=1, num_steps=2), hidden_size=1, amplification=4.0, last_u_min=0.0
    )
    with torch.no_grad():
        layer.u.fill_(9.0)
        layer.input.weight.fill_(1.0)
        layer.input.bias.zero_()
    hidden = layer(torch.tensor([[[1.0], [0.0]]]))
    hidden[0, 1, 0].backward()
    assert hidden[0, 1, 0].item() == pytest.approx(2.0)
    assert layer.u.grad is not None
    assert layer.u.grad.item() != 0


def test_the_legendre_memory_holds_a_delayed_input() -> None:
    """Its purpose rather than its formula: at the far end of the window all polynomials are 1."""
    from unrolled.encoders.blocks.legendre import legendre_delay

    a, b = legendre_delay(12, 50.0)
    time = torch.arange(400, dtype=torch.float64)
    u, m, delayed = torch.sin(2 * torch.pi * time / 100), torch.zeros(12).double(), []
    for u_t in u:
        m = a @ m + b * u_t
        delayed.append(m.sum())
    torch.testing.assert_close(torch.stack(delayed)[150:], u[100:-50], rtol=0, atol=0.05)
