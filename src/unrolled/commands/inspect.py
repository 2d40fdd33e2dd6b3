"""`unrolled inspect path=FILE [id=COLUMN time=COLUMN label=COLUMN embedding=N]`: describes data.

Writes my_data.yaml, a config for training on it, and my_data.png, a plot. Choose another name with
output=NAME.yaml.
"""

import re
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from unrolled.commands.arguments import take
from unrolled.config.conf_folder import CONF
from unrolled.config.literal import literal_values
from unrolled.data.files.paths import require_path
from unrolled.errors import ConfigError
from unrolled.output import echo
from unrolled.runs.durable import write_atomically

COLUMNS = ("id", "time", "label")
SETTINGS = ("form", *COLUMNS, "features", "categorical")


def run(arguments: list[str]) -> None:
    """Describe and plot a file or folder, and write a config for training on it.

    Raises:
        ConfigError: an argument is missing or unknown.
        DataError: the file cannot be read. The message names file, line and column.
    """
    name, rest = take(arguments, "path")
    known: dict[str, str | None] = {}
    for column in COLUMNS:
        known[column], rest = take(rest, column)
    embedding, rest = take(rest, "embedding")
    output, rest = take(rest, "output")
    if name is None or rest:
        raise ConfigError(
            "inspect takes path=FILE and, optionally, id=COLUMN, time=COLUMN, label=COLUMN, "
            f"embedding=N and output=NAME.yaml; got {' '.join(arguments) or 'no arguments'}"
        )
    target = Path(output or "my_data.yaml")
    if target.suffix != ".yaml" or target.name != str(target):
        raise ConfigError(
            f"output={output}: need a file name without a folder, such as my_data.yaml"
        )
    if (CONF / "data" / target.name).is_file():
        raise ConfigError(
            f"output={target}: data={target.stem} is a built-in option, so a file of this name "
            f"would be ignored; choose another name"
        )
    if embedding is not None and not re.fullmatch(r"[1-9]\d*", embedding):
        raise ConfigError(f"embedding={embedding}: need a whole number >= 1, for example 16")
    size = None if embedding is None else int(embedding)
    _inspect(require_path("path", name), known, target, embedding=size)


def _inspect(
    path: Path, known: dict[str, str | None], target: Path, *, embedding: int | None
) -> None:
    from unrolled.data.files.archive_folder import training_and_test_file
    from unrolled.data.files.description import describe, draw, warn, window_overrides
    from unrolled.data.files.features import features_of
    from unrolled.data.files.pipes import regular
    from unrolled.data.files.reader import fit_schema, read_recordings
    from unrolled.data.files.schema import Schema
    from unrolled.data.leaks import leak_warnings
    from unrolled.data.selection import Selection

    readable = regular(path)
    train, test = training_and_test_file(readable)
    echo(f"file:      {path if test is None else train}")
    settings = _guess_columns(train, known, embedding)
    if embedding is not None and "embedding" not in settings:
        raise ConfigError(
            f"embedding={embedding}: {train} has no feature column of words; leave it out"
        )
    read = {name: value for name, value in settings.items() if name != "split"}
    schema = Schema(**{**read, "missing": "mean"})
    schema, recordings = fit_schema(schema, train, labels_may_change=True)
    num_missing = int((recordings.steps != recordings.steps).sum())  # NaN
    warnings = []
    if num_missing:
        settings["missing"] = "forward"
        warnings.append(
            f"{num_missing} values are missing; the config fills them with missing=forward"
        )
    echo("\n".join(describe(recordings, words=schema.categories)))
    if test is not None:
        held_out = read_recordings(test, schema=schema, labelled=True)
        echo(f"test set:  {test}, {len(held_out):,} sequences")
    if recordings.step_labels is None:
        sequences = recordings.as_sequences(schema.class_names, first_id=0)
        warnings += leak_warnings(Selection.of_all(sequences), features_of(schema))
    for line in [*warnings, *warn(recordings)]:
        echo(f"warning:   {line}")
    is_pipe = readable != path
    is_new = _write(target, path.name, {"path": None if is_pipe else str(path), **settings})
    save = partial(draw(recordings).savefig, format="png")
    write_atomically(target.with_suffix(".png"), save, durable=False)
    if is_new:
        echo(f"wrote:     {target} (correct wrong guesses there), {target.stem}.png")
    else:
        echo(f"wrote:     {target.stem}.png, but not {target}, which exists with other content;")
        echo("           delete it and run this command again, or type output=OTHER.yaml")
    file = ["data.path=FILE"] if is_pipe else []  # the content of a pipe is gone
    words = [f"unrolled train data={target.stem}", *file, *window_overrides(recordings)]
    echo(f"to train:  {' '.join(words)}")


def _guess_columns(
    path: Path, known: dict[str, str | None], embedding: int | None
) -> dict[str, Any]:
    """Print and return the guessed settings of a table; none for arrays."""
    from unrolled.data.files.description import describe_times
    from unrolled.data.files.folders import FILE
    from unrolled.data.files.guessing import guess
    from unrolled.data.files.notices import detected
    from unrolled.data.files.opening import format_of
    from unrolled.data.files.schema import Schema
    from unrolled.data.files.tables import whole_table

    kind = format_of(path)
    if kind not in ("csv", "parquet", "folder"):
        return {}
    schema = Schema()
    if kind == "folder":
        schema = Schema(label=known["label"] or "label")
        known = {**known, "id": FILE, "label": schema.label}
    table = whole_table(path, schema, labelled=True)
    if notice := detected(table, schema):
        echo(f"detected:  {notice}")
    found = guess(table, known=known, embedding=embedding)
    settings = {name: getattr(found, name) for name in SETTINGS}
    for name in ("group", "split_column"):
        if getattr(found, name) is not None:
            settings[name] = getattr(found, name)
            echo(f"{name}: {getattr(found, name)!r}")
    if embedding is not None and found.categorical:
        settings["embedding"] = embedding
    if found.group is not None:
        settings["split"] = "group"
    rows = "a row per step" if found.form == "long" else "a row per sequence"
    echo(f"form:      {found.form} ({rows}), {len(table):,} rows")
    echo("columns:   " + ", ".join(f"{name} {settings[name]!r}" for name in COLUMNS))
    if found.time is not None and found.id is not None:
        echo(describe_times(table, id_column=found.id, time_column=found.time))
    for line in found.warnings:
        echo(f"warning:   {line}")
    return settings


def _write(target: Path, name: str, settings: dict[str, Any]) -> bool:
    """Write the config unless the file exists; return whether the file has this content now.

    name: of the data, for a comment.
    """
    config = OmegaConf.create({"defaults": ["files", "_self_"], **literal_values(settings)})
    text = f"# Made by `unrolled inspect`, from {name}\n{OmegaConf.to_yaml(config)}"

    def write(temporary: Path) -> None:
        temporary.write_text(text, encoding="utf-8")

    if target.is_file():
        return target.read_text(encoding="utf-8") == text
    write_atomically(target, write, durable=False)
    return True
