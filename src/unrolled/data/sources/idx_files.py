"""Data sets that are published as four idx files: found on this machine, or downloaded.

Imports no torch, so that a wrong file is refused early.
"""

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pooch
import requests

from unrolled.data.sources.download import download
from unrolled.data.sources.idx import read_idx
from unrolled.data.sources.mirrors import SECONDS_TO_CONNECT, reachable, roots
from unrolled.errors import DataError, StorageError

log = logging.getLogger(__name__)

PARTS = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
TEST_PARTS = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
LARGEST = 64 * 2**20  # bytes; the largest file of these data sets has 26 MB


@dataclass
class IdxFiles:
    """The four files of a data set, raw or gzipped.

    In each method, `folder` is a folder that holds the files, or a folder of the data set's name
    that does. With None, only $UNROLLED_DATA_DIR, ./data and the per-user cache are searched.

    name: of the data set and its folder.
    mirrors: addresses, tried in turn.
    sha256: of each decompressed file.
    """

    name: str
    mirrors: tuple[str, ...]
    sha256: dict[str, str]

    def places(self, folder: Path | None) -> list[Path]:
        """Return the folders that are searched, in this order."""
        return ([folder] if folder else []) + [root / self.name for root in roots(folder)]

    def find(self, part: str, folder: Path | None) -> Path | None:
        """Return the path of a file, or None if it is nowhere on this machine."""
        places = self.places(folder)
        candidates = (place / name for place in places for name in (part, f"{part}.gz"))
        return next((path for path in candidates if path.is_file()), None)

    def check(self, folder: Path | None) -> None:
        """Check the contents of the files that are on this machine.

        Raises:
            DataError: a file has other contents than the published one.
        """
        for part in PARTS + TEST_PARTS:
            if self.find(part, folder) is not None:
                self.read(part, folder)

    def fetch(self, folder: Path | None) -> None:
        """Download what is nowhere on this machine, to `folder` or to the per-user cache.

        Raises:
            DataError: no mirror can be reached, or none has the right file.
            StorageError: the folder for it cannot be written.
        """
        missing = [part for part in PARTS + TEST_PARTS if self.find(part, folder) is None]
        if missing:
            mirrors = reachable(self.mirrors)
            for part in missing:
                self._download(part, folder, mirrors)

    def read(self, part: str, folder: Path | None) -> npt.NDArray[np.uint8]:
        """Return the array of a file.

        Raises:
            DataError: it is missing, or has other contents than the published one.
        """
        path = self.find(part, folder)
        if path is None:
            raise DataError(self._not_found(part, folder, reasons=[]))
        try:
            return read_idx(path, sha256=self.sha256[part])
        except DataError as error:
            raise DataError(
                f"{error}\nIt is not the published file: delete it, and it is looked for elsewhere "
                "or downloaded; or type data.dir=FOLDER of the right one."
            ) from error

    def _download(self, part: str, folder: Path | None, mirrors: list[str]) -> None:
        """Fetch one file, under a temporary name until it is complete and right."""
        target = folder or self.places(folder)[-1]
        unreached = [mirror for mirror in self.mirrors if mirror not in mirrors]
        reasons = [f"{m}: no connection in {SECONDS_TO_CONNECT} s" for m in unreached]
        for mirror in mirrors:
            try:
                pooch.retrieve(
                    mirror + f"{part}.gz",
                    known_hash=None,  # of the compressed file; the contents are checked instead
                    fname=f"{part}.gz",
                    path=target,
                    downloader=partial(_fetch, sha256=self.sha256[part]),
                )
            except (DataError, requests.RequestException) as error:
                reasons.append(f"{mirror}: {error}")
            except PermissionError as error:
                raise StorageError(f"{target} cannot be written; data.dir=FOLDER") from error
            else:
                return
        raise DataError(self._not_found(part, folder, reasons=reasons))

    def _not_found(self, part: str, folder: Path | None, *, reasons: list[str]) -> str:
        looked = [f"  looked in {place.absolute()}" for place in self.places(folder)]
        tried = [f"  tried {reason}" for reason in reasons]
        remedy = (
            f"Put {', '.join(PARTS + TEST_PARTS)} (or .gz) into a folder {self.name} and type "
            "UNROLLED_DATA_DIR=ITS_PARENT before the command, or data.dir=FOLDER behind it. "
            "data=digits needs no download."
        )
        found = f"{part}[.gz] was not found and could not be downloaded"
        return "\n".join([found, *looked, *tried, remedy])


def _fetch(url: str, output_file: str, caller: Any, *, sha256: str) -> None:
    """Download to pooch's temporary file, and refuse it unless the contents are right."""
    pooch.get_logger().setLevel(logging.WARNING)
    log.info("downloading %s", url)
    download(url, Path(output_file), largest=LARGEST)
    try:
        read_idx(Path(output_file), sha256=sha256)
    except DataError as error:  # the temporary name, soon gone, would lead nowhere
        raise DataError(str(error).replace(output_file, "what came")) from error
