"""Downloads a file, within limits on its size and on the time without progress."""

import sys
from pathlib import Path
from time import monotonic

import requests
from tqdm import tqdm
from urllib3.exceptions import HTTPError

from unrolled.data.sources.mirrors import SECONDS_TO_CONNECT
from unrolled.errors import DataError

PIECE = 64 * 2**10  # bytes
SLOWEST = 2**10  # bytes per second, averaged over SECONDS_BETWEEN_CHECKS
SECONDS_BETWEEN_CHECKS = 30.0  # also without a single byte


def download(url: str, path: Path, *, largest: int) -> None:
    """Write what an address returns to a file.

    largest: bytes.

    Raises:
        DataError: it is larger than `largest`, or comes slower than SLOWEST.
        RequestException: there is no such file, or the connection ended.
    """
    timeout = (SECONDS_TO_CONNECT, SECONDS_BETWEEN_CHECKS)
    with requests.get(url, stream=True, timeout=timeout) as response, path.open("wb") as file:
        response.raise_for_status()
        expected = int(response.headers.get("Content-Length", 0))
        quiet = not sys.stderr.isatty()
        bar = tqdm(total=expected or None, unit="B", unit_scale=True, disable=quiet)
        checked_at, num_before, num = monotonic(), 0, 0
        with bar:
            while piece := _next_piece(response):
                file.write(piece)
                bar.update(len(piece))
                num += len(piece)
                if max(num, expected) > largest:
                    raise DataError(f"it has more than {largest:,} bytes, so it is another file")
                if (seconds := monotonic() - checked_at) > SECONDS_BETWEEN_CHECKS:
                    if num - num_before < SLOWEST * seconds:
                        raise DataError(f"only {num - num_before} bytes came in {seconds:.0f} s")
                    checked_at, num_before = monotonic(), num


def _next_piece(response: requests.Response) -> bytes:
    """Return what has arrived, at most PIECE bytes; iter_content would wait for all of them."""
    try:
        piece: bytes = response.raw.read1(PIECE, decode_content=True)
    except HTTPError as error:
        raise requests.ConnectionError(str(error)) from error
    return piece
