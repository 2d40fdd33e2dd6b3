"""Images that are published as four idx files: found on this machine, or downloaded."""

import logging
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pooch
import requests
import torch

from unrolled.contracts import Sequences, Source, SourceData
from unrolled.data.sources.download import download
from unrolled.data.sources.idx import read_idx
from unrolled.data.sources.mirrors import SECONDS_TO_CONNECT, reachable, roots
from unrolled.errors import ConfigError, DataError, StorageError

log = logging.getLogger(__name__)

PARTS = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
TEST_PARTS = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
LARGEST = 64 * 2**20  # bytes; the largest file of these data sets has 26 MB


class IdxImages(Source):
    """Images as sequences of their rows, grey levels scaled to [0, 1].

    A subclass defines `name` (of the folder), `mirrors` (addresses, tried in turn), `sha256` of
    each decompressed file, `class_names`.

    dir: folder that holds the files, or a folder of the data set's name that does; raw or gzipped.
        None to look in $UNROLLED_DATA_DIR, ./data and the per-user cache only. Files that are
        nowhere are downloaded to `dir`, or to the cache.
    """

    name: ClassVar[str]
    mirrors: ClassVar[tuple[str, ...]]
    sha256: ClassVar[dict[str, str]]
    class_names: ClassVar[tuple[str, ...]]

    def __init__(self, *, dir: str | None) -> None:  # noqa: A002 - data.dir is what users type
        self.dir = Path(dir).expanduser() if dir else None
        if self.dir is not None and self.dir.is_file():
            raise ConfigError(f"data.dir={dir} is a file: need the folder that it is in")

    def places(self) -> list[Path]:
        """Return the folders that are looked in, in this order."""
        return ([self.dir] if self.dir else []) + [root / self.name for root in roots(self.dir)]

    def prepare(self) -> None:
        """Download what is nowhere on this machine.

        Raises:
            DataError: no mirror can be reached, or none has the right file.
            StorageError: the folder for it cannot be written.
        """
        missing = [part for part in PARTS + TEST_PARTS if self._find(part) is None]
        if missing:
            folder = self.dir or self.places()[-1]
            mirrors = reachable(self.mirrors)
            for part in missing:
                self._download(part, folder, mirrors)

    def load(self) -> SourceData:
        """Return the published train and test parts; the contents are checked.

        Raises:
            DataError: a file is missing or has other contents than the published ones.
        """
        train_images, train_labels, test_images, test_labels = (
            self._read(part) for part in PARTS + TEST_PARTS
        )
        return SourceData(
            train=_sequences(train_images, train_labels, first_id=0),
            val=None,
            test=_sequences(test_images, test_labels, first_id=len(train_labels)),
            class_names=list(self.class_names),
        )

    def _find(self, part: str) -> Path | None:
        candidates = (place / name for place in self.places() for name in (part, f"{part}.gz"))
        return next((path for path in candidates if path.is_file()), None)

    def _read(self, part: str) -> npt.NDArray[np.uint8]:
        path = self._find(part)
        if path is None:
            raise DataError(self._not_found(part, reasons=[]))
        try:
            return read_idx(path, sha256=self.sha256[part])
        except DataError as error:
            raise DataError(
                f"{error}\nIt is not the published file: delete it, and it is looked for elsewhere "
                "or downloaded; or type data.dir=FOLDER of the right one."
            ) from error

    def _download(self, part: str, folder: Path, mirrors: list[str]) -> None:
        """Fetch one file, under a temporary name until it is complete and right."""
        unreached = [mirror for mirror in self.mirrors if mirror not in mirrors]
        reasons = [f"{m}: no connection in {SECONDS_TO_CONNECT} s" for m in unreached]
        for mirror in mirrors:
            try:
                pooch.retrieve(
                    mirror + f"{part}.gz",
                    known_hash=None,  # of the compressed file; the contents are checked instead
                    fname=f"{part}.gz",
                    path=folder,
                    downloader=partial(_fetch, sha256=self.sha256[part]),
                )
            except (DataError, requests.RequestException) as error:
                reasons.append(f"{mirror}: {error}")
            except PermissionError as error:
                raise StorageError(f"{folder} cannot be written; data.dir=FOLDER") from error
            else:
                return
        raise DataError(self._not_found(part, reasons=reasons))

    def _not_found(self, part: str, *, reasons: list[str]) -> str:
        looked = [f"  looked in {place.absolute()}" for place in self.places()]
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


def _sequences(
    images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8], *, first_id: int
) -> Sequences:
    x = torch.from_numpy(images.astype(np.float32)).div_(255)
    y = torch.from_numpy(labels.astype(np.int64))
    return Sequences.of_equal_length(x, y, first_id=first_id)
