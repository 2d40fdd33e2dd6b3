"""Data sets of the UCR and UEA archives by their names: found on this machine, or downloaded."""

import hashlib
import json
import logging
import re
import tempfile
import zipfile
from functools import partial
from pathlib import Path
from typing import IO, Any

from unrolled.data.files.archive_folder import training_and_test_file
from unrolled.data.files.source import Files
from unrolled.data.sources.download import download
from unrolled.data.sources.mirrors import SECONDS_TO_CONNECT, reachable, roots
from unrolled.data.sources.ucr_names import UCR, UEA
from unrolled.errors import ConfigError, DataError, StorageError, did_you_mean

log = logging.getLogger(__name__)

ADDRESS = "https://timeseriesclassification.com/aeon-toolkit/{name}.zip"
RECORD = "download.json"  # address and hash of the archive that was downloaded
LARGEST_FILE = 2 * 2**30  # bytes, packed or unpacked
PIECE = 2**20  # bytes


class Archive(Files):
    """One data set with the published training and test set.

    The folder NAME holds NAME_TRAIN.ts and NAME_TEST.ts, or another format of `data.path`. It is
    looked for in `dir`, $UNROLLED_DATA_DIR, ./data and the per-user cache, there also in a folder
    `ucr`. A set that is nowhere is downloaded to `dir`, or to the cache.

    name: of the set, for example GunPoint.
    dir: folder with one folder per set, or None.
    path: None.
    settings: the other settings of Files.
    """

    def __init__(
        self,
        *,
        name: str | None,
        dir: str | None,  # noqa: A002 - data.dir is what users type
        path: str | None,
        **settings: Any,
    ) -> None:
        if name is None or not re.fullmatch(r"\w[\w-]*", name):
            raise ConfigError(f"data.name={name}: need the name of a set, such as GunPoint")
        if path is not None:
            raise ConfigError(f"data.path={path}: data=ucr finds the files of data.name itself")
        self.name = name
        self.places = [place for root in roots(dir) for place in (root / name, root / "ucr" / name)]
        self.target = self.places[0] if dir else self.places[-1]
        found = next((place for place in self.places if _is_set(place)), self.target)
        super().__init__(path=str(found), **settings)

    def prepare(self) -> None:
        """Download the set if it is nowhere on this machine.

        Raises:
            DataError: it cannot be downloaded, or the file is not what it should be.
            StorageError: the folder for it cannot be written.
        """
        if not _is_set(self.paths["train"]):
            self._download()
        super().prepare()

    def origins(self, splits: Any) -> dict[str, str]:
        """Return the setting that names the data set."""
        return dict.fromkeys(splits, f"data.name={self.name}")

    def _download(self) -> None:
        address = ADDRESS.format(name=self.name)
        if not reachable((address,)):
            reason = f"{address}: no connection in {SECONDS_TO_CONNECT} s"
            raise DataError(self._not_found(reason))
        try:
            self.target.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.target) as folder:
                path = Path(folder) / "archive.zip"
                log.info("downloading %s", address)
                download(address, path, largest=LARGEST_FILE)
                record = {"address": address, "sha256": _sha256(path)}
                _unpack(path, self.target, name=self.name)
            (self.target / RECORD).write_text(json.dumps(record) + "\n", encoding="utf-8")
        except PermissionError as error:
            raise StorageError(f"{self.target} cannot be written; data.dir=FOLDER") from error
        except (DataError, OSError, zipfile.BadZipFile) as error:
            reason = f"{address}: {error}"
            raise DataError(self._not_found(reason)) from error
        log.info("data.name=%s: sha256 %s", self.name, record["sha256"])

    def _not_found(self, reason: str) -> str:
        looked = [f"  looked in {place.absolute()}" for place in self.places]
        files = f"{self.name}_TRAIN.ts and {self.name}_TEST.ts"
        remedy = (
            f"Put {files} into a folder {self.name} and type data.dir=ITS_PARENT. "
            "docs/own-data.md lists Python packages that contain some sets."
        )
        hint = did_you_mean(self.name, [*UCR, *UEA])
        found = f"data.name={self.name} was not found and could not be downloaded{hint}"
        return "\n".join([found, *looked, f"  tried {reason}", remedy])


def _is_set(folder: Path) -> bool:
    """Return whether a folder holds the training and the test set."""
    return folder.is_dir() and training_and_test_file(folder)[1] is not None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unpack(path: Path, folder: Path, *, name: str) -> None:
    """Write NAME_TRAIN.ts and NAME_TEST.ts of a ZIP archive into a folder, and nothing else.

    Raises:
        DataError: the archive lacks one of them, or one of them is too large.
    """
    with zipfile.ZipFile(path) as archive:
        members = {Path(member).name: member for member in archive.namelist()}
        for wanted in (f"{name}_TRAIN.ts", f"{name}_TEST.ts"):
            if wanted not in members:
                raise DataError(f"the archive has no {wanted}")
            part = folder / f".{wanted}"
            with archive.open(members[wanted]) as source, part.open("wb") as target:
                _copy(source, target, wanted)
            part.replace(folder / wanted)


def _copy(source: IO[bytes], target: IO[bytes], name: str) -> None:
    num = 0
    for piece in iter(partial(source.read, PIECE), b""):
        num += len(piece)
        if num > LARGEST_FILE:  # whatever size the archive declares
            raise DataError(f"{name} has more than {LARGEST_FILE:,} bytes")
        target.write(piece)
