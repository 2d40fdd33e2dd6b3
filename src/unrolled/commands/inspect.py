"""`unrolled inspect path=FILE [id=COLUMN time=COLUMN label=COLUMN form=FORM embedding=N]`.

Describes data. `id='COLUMN COLUMN'` joins two columns, and FORM is long or wide.

Writes my_data.yaml, a config for training on it, and my_data.png, a plot. Choose another name with
output=NAME.yaml. An existing config with other content is kept unless you type overwrite=true.
"""

import re
import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf

from unrolled.commands.arguments import take
from unrolled.config.choices import FORMS
from unrolled.config.conf_folder import CONF
from unrolled.config.literal import literal_values
from unrolled.data.files.paths import require_path
from unrolled.errors import ConfigError
from unrolled.output import echo
from unrolled.runs.durable import write_atomically

if TYPE_CHECKING:
    from unrolled.data.files.keys import Restart

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
    form, rest = take(rest, "form")
    output, rest = take(rest, "output")
    overwrite, rest = take(rest, "overwrite")
    if name is None or rest:
        raise ConfigError(
            "inspect takes path=FILE and, optionally, id=COLUMN, time=COLUMN, label=COLUMN, "
            f"form=long or wide, embedding=N, output=NAME.yaml and overwrite=true; got "
            f"{' '.join(arguments) or 'no arguments'}"
        )
    if form not in (None, *FORMS):
        raise ConfigError(f"form={form}: need one of {', '.join(FORMS)}")
    if overwrite not in (None, "true", "false"):
        raise ConfigError(f"overwrite={overwrite}: need true or false")
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
    path = require_path("path", name)
    _inspect(
        path,
        known,
        target,
        form=form,
        embedding=size,
        arguments=arguments,
        replace=overwrite == "true",
    )


def _inspect(
    path: Path,
    known: dict[str, str | None],
    target: Path,
    *,
    form: str | None,
    embedding: int | None,
    arguments: list[str],
    replace: bool,
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
    settings, restart = _guess_columns(train, known, form, embedding)
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
    for line in [*warnings, *warn(recordings, restart=restart)]:
        echo(f"warning:   {line}")
    is_pipe = readable != path
    config = {"path": None if is_pipe else str(path), **settings}
    is_new = _write(target, path.name, config, replace=replace)
    figure = draw(recordings, last=schema.category_features)
    save = partial(figure.savefig, format="png")
    write_atomically(target.with_suffix(".png"), save, durable=False)
    if is_new:
        echo(f"wrote:     {target} (correct wrong guesses there), {target.stem}.png")
    else:
        echo(f"wrote:     {target.stem}.png, but not {target}, which exists with other content;")
        echo("           add output=NAME.yaml for another file, or overwrite=true to replace it")
    if restart is not None and not is_pipe:
        kept = [word for word in arguments if not word.startswith(("id=", "overwrite="))]
        words = [
            *kept,
            f"id={restart.column} {settings['id']}",
            *(["overwrite=true"] if is_new else []),
        ]
        echo(f"first try: unrolled inspect {shlex.join(words)}")
    if not is_new:
        return
    file = ["data.path=FILE"] if is_pipe else []  # the content of a pipe is gone
    words = [f"unrolled train data={target.stem}", *file, *window_overrides(recordings)]
    echo(f"to train:  {' '.join(words)}")


def _guess_columns(
    path: Path, known: dict[str, str | None], form: str | None, embedding: int | None
) -> "tuple[dict[str, Any], Restart | None]":
    """Print and return the guessed settings of a table, and a sign of merged sequences.

    Returns: no settings for arrays.

    Raises:
        ConfigError: form is typed for arrays.
    """
    from unrolled.data.files.description import describe_times
    from unrolled.data.files.folders import FILE
    from unrolled.data.files.guessing import guess
    from unrolled.data.files.notices import detected
    from unrolled.data.files.opening import format_of
    from unrolled.data.files.schema import Schema
    from unrolled.data.files.tables import whole_table

    kind = format_of(path)
    if kind not in ("csv", "parquet", "folder"):
        if form is not None:
            raise ConfigError(f"form={form}: {path} is no table; leave it out")
        return {}, None
    schema = Schema()
    if kind == "folder":
        schema = Schema(label=known["label"] or "label")
        known = {**known, "id": FILE, "label": schema.label}
    table = whole_table(path, schema, labelled=True)
    if notice := detected(table, schema):
        echo(f"detected:  {notice}")
    found = guess(table, known=known, form=form, embedding=embedding)
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
    return settings, found.restart


def _write(target: Path, name: str, settings: dict[str, Any], *, replace: bool) -> bool:
    """Write the config unless the file exists; return whether the file has this content now.

    name: of the data, for a comment.
    replace: whether an existing file is replaced.
    """
    config = OmegaConf.create({"defaults": ["files", "_self_"], **literal_values(settings)})
    text = f"# Made by `unrolled inspect`, from {name}\n{OmegaConf.to_yaml(config)}"

    def write(temporary: Path) -> None:
        temporary.write_text(text, encoding="utf-8")

    if target.is_file() and not replace:
        return target.read_text(encoding="utf-8") == text
    write_atomically(target, write, durable=False)
    return True
