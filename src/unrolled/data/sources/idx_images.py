"""Images that are published as four idx files."""

from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch

from unrolled.contracts import Sequences, Source, SourceData
from unrolled.data.sources.idx_files import PARTS, TEST_PARTS, IdxFiles
from unrolled.errors import ConfigError


class IdxImages(Source):
    """Images as sequences of their rows, grey levels scaled to [0, 1].

    A subclass defines `files` and `class_names`.

    dir: folder that holds the files, or a folder of the data set's name that does; raw or gzipped.
        None to look in $UNROLLED_DATA_DIR, ./data and the per-user cache only. Files that are
        nowhere are downloaded to `dir`, or to the cache.
    """

    files: ClassVar[IdxFiles]
    class_names: ClassVar[tuple[str, ...]]

    def __init__(self, *, dir: str | None) -> None:  # noqa: A002 - data.dir is what users type
        self.dir = Path(dir).expanduser() if dir else None
        if self.dir is not None and self.dir.is_file():
            raise ConfigError(f"data.dir={dir} is a file: need the folder that it is in")

    def prepare(self) -> None:
        """Download what is nowhere on this machine.

        Raises:
            DataError: no mirror can be reached, or none has the right file.
            StorageError: the folder for it cannot be written.
        """
        self.files.fetch(self.dir)

    def load(self) -> SourceData:
        """Return the published train and test parts; the contents are checked.

        Raises:
            DataError: a file is missing or has other contents than the published ones.
        """
        train_images, train_labels, test_images, test_labels = (
            self.files.read(part, self.dir) for part in PARTS + TEST_PARTS
        )
        return SourceData(
            train=_sequences(train_images, train_labels, first_id=0),
            val=None,
            test=_sequences(test_images, test_labels, first_id=len(train_labels)),
            class_names=list(self.class_names),
        )


def _sequences(
    images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8], *, first_id: int
) -> Sequences:
    x = torch.from_numpy(images.astype(np.float32)).div_(255)
    y = torch.from_numpy(labels.astype(np.int64))
    return Sequences.of_equal_length(x, y, first_id=first_id)
