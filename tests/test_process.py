"""The settings of the process that trains."""

from typing import Any

import pytest

from unrolled.errors import ConfigError
from unrolled.training import process


@pytest.mark.parametrize(
    "message",
    [
        "mkldnn_bf16 is not supported on this CPU",
        "could not create a primitive descriptor for the LSTM forward propagation primitive",
    ],
)
def test_a_precision_that_the_device_lacks_is_named(message: str) -> None:
    named = pytest.raises(ConfigError, match=r"trainer\.precision: .*precision=32-true")
    with named, process.readable_errors():
        raise RuntimeError(message)
    with pytest.raises(RuntimeError, match="other"), process.readable_errors():
        raise RuntimeError("other")


@pytest.fixture
def mallopt_calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Record the parameters and values given to mallopt, without setting them."""
    calls: list[tuple[int, int]] = []

    class Library:
        def __init__(self, name: None) -> None:
            pass

        def mallopt(self, parameter: int, value: int) -> int:
            calls.append((parameter, value))
            return int(value <= process.OLD_LIMIT)  # like an older glibc

    monkeypatch.setattr(process.ctypes, "CDLL", Library)
    return calls


def libc(name: str) -> Any:
    return lambda: (name, "2.36")


def test_freed_memory_is_kept_on_glibc(
    mallopt_calls: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process.platform, "libc_ver", libc("glibc"))

    process.prepare_process(num_threads=1, keep_memory=True)

    assert {process.M_MMAP_THRESHOLD, process.M_TRIM_THRESHOLD} == {p for p, _ in mallopt_calls}
    assert (process.M_MMAP_THRESHOLD, process.OLD_LIMIT) in mallopt_calls


@pytest.mark.parametrize(("library", "keep_memory"), [("glibc", False), ("musl", True)])
def test_the_allocator_is_left_alone_without_glibc_or_keep_memory(
    library: str,
    keep_memory: bool,
    mallopt_calls: list[tuple[int, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process.platform, "libc_ver", libc(library))

    process.prepare_process(num_threads=1, keep_memory=keep_memory)

    assert mallopt_calls == []
