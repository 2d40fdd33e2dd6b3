"""Folders as in the UCR/UEA archive, which hold the files NAME_TRAIN and NAME_TEST."""

from pathlib import Path

from unrolled.data.files.archive_tables import NAME
from unrolled.data.files.opening import PACKED
from unrolled.data.files.tabular import shown
from unrolled.errors import DataError

SUFFIXES = (".ts", ".arff", ".tsv", ".txt", ".csv", ".parquet", ".npz", "")  # the likeliest first


def training_and_test_file(path: Path) -> tuple[Path, Path | None]:
    """Return NAME_TRAIN and NAME_TEST of a folder, or the path and None for any other path.

    If there are several names, the one of the folder counts. If there are several formats, the
    first one in SUFFIXES that both files have counts.

    Raises:
        DataError: the folder has several data sets, and none has its name.
    """
    if not path.is_dir():
        return path, None
    found: dict[str, dict[str, dict[str, Path]]] = {}  # by name, suffix and split
    for file in sorted(path.iterdir()):
        match = NAME.fullmatch(file.name)
        suffix = next((part for part in file.suffixes[::-1] if part.lower() not in PACKED), "")
        if match is None or suffix.lower() not in SUFFIXES or not file.is_file():
            continue
        if not file.name.startswith("."):
            formats = found.setdefault(match["name"], {})
            formats.setdefault(suffix.lower(), {})[match["split"].lower()] = file
    found = {
        name: formats
        for name, formats in found.items()
        if any("train" in files for files in formats.values())
    }
    if not found:
        return path, None
    name = path.resolve().name if len(found) > 1 else next(iter(found))
    if name not in found:
        raise DataError(
            f"{path} has the training files of {shown(sorted(found))}; name one file, for example "
            f"data.path={path}/{min(found)}_TRAIN..."
        )
    files = min(
        (files for files in found[name].items() if "train" in files[1]),
        key=lambda item: ("test" not in item[1], SUFFIXES.index(item[0])),
    )[1]
    return files["train"], files.get("test")
