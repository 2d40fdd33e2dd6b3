"""Checks of data files that need no torch, so that a wrong file is refused at once.

A source whose files can be checked in this way has a line in CHECKS.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from unrolled.data.files.paths import require_data_paths


def check_files(data: Mapping[str, Any]) -> None:
    """Check the files that the data config names.

    data: config.data. Files that are missing and can be downloaded are no error.

    Raises:
        DataError: a file does not exist, is a pipe, or has other contents than the published one.
    """
    require_data_paths(data)
    check = CHECKS.get(str(data["source"]["_target_"]))
    if check is not None:
        check(data)


def _check_mnist(data: Mapping[str, Any]) -> None:
    from unrolled.data.sources.published import MNIST_FILES

    MNIST_FILES.check(_folder(data))


def _check_fashion_mnist(data: Mapping[str, Any]) -> None:
    from unrolled.data.sources.published import FASHION_MNIST_FILES

    FASHION_MNIST_FILES.check(_folder(data))


def _folder(data: Mapping[str, Any]) -> Path | None:
    return Path(str(data["dir"])).expanduser() if data.get("dir") else None


CHECKS: dict[str, Callable[[Mapping[str, Any]], None]] = {  # by the class of the source
    "unrolled.data.sources.mnist.MNIST": _check_mnist,
    "unrolled.data.sources.fashion_mnist.FashionMNIST": _check_fashion_mnist,
}
