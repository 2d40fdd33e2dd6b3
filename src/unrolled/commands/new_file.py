"""Parts that `predict` and `evaluate` share: a new file, the table to write, and how to read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from unrolled.data.files.paths import require_path
from unrolled.data.files.piece import OutOfOrderError
from unrolled.data.files.pipes import regular
from unrolled.errors import ConfigError, DataError
from unrolled.output import echo

NAMES = ("input", "output", "overwrite", "strict")  # arguments
FORMATS = (".csv", ".parquet")

T = TypeVar("T")


@dataclass(frozen=True)
class NewFile:
    """A file or folder of new sequences.

    input: where it is. The content of a pipe is copied to a file.
    output: the table to write, or None.
    strict: whether values far outside the training range are refused.
    """

    input: Path
    output: Path | None
    strict: bool

    @property
    def is_parquet(self) -> bool:
        """Whether the output is a Parquet file."""
        return self.output is not None and self.output.suffix.lower() == ".parquet"

    def read(self, attempt: Callable[[bool], T]) -> T:
        """Return what `attempt` returns; it is called again if the file must be read whole.

        attempt: its argument is whether to read the whole file into memory first.

        Raises:
            DataError: the file does not fit the run.
        """
        try:
            try:
                return attempt(False)
            except OutOfOrderError as reason:
                echo(f"note: {reason}; the whole file is read into memory", is_error=True)
                return attempt(True)
        except DataError as error:
            if "data." not in str(error):
                raise
            note = "a run keeps the settings data.… that it was trained with; train again to change"
            raise DataError(f"{error}\n  ({note} one)") from error


def check_new_file(typed: Mapping[str, str | None]) -> NewFile:
    """Return the file that the arguments describe.

    typed: values by name (see NAMES), None for an argument that was not typed.

    Raises:
        ConfigError: a value is invalid, or the output exists.
        DataError: there is no such input.
    """
    for key in ("overwrite", "strict"):
        if typed[key] not in (None, "true", "false"):
            raise ConfigError(f"{key}={typed[key]}: need true or false")
    source, target = str(typed["input"]), typed["output"]
    output = None
    if target is not None:
        output = Path(target).expanduser()
        _check_output(target, output, source=source, overwrite=typed["overwrite"] == "true")
    path = require_path("input", source)
    return NewFile(regular(path), output, typed["strict"] == "true")


def _check_output(typed: str, output: Path, *, source: str, overwrite: bool) -> None:
    if output.suffix.lower() not in FORMATS:
        raise ConfigError(f"output={typed}: need a name that ends in {' or '.join(FORMATS)}")
    if output.resolve() == Path(source).expanduser().resolve():
        raise ConfigError(f"output={typed} is the input")
    if output.is_symlink():
        raise ConfigError(
            f"output={typed} is a symbolic link to {output.resolve()}; type the path of the file"
        )
    if output.exists() and not overwrite:
        raise ConfigError(f"output={typed} exists; type overwrite=true to replace it")
