"""Writes the predictions for a file as a table, block by block."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from unrolled.prediction.growing_table import Columns, growing_table
from unrolled.prediction.predictor import Predictor
from unrolled.prediction.tally import Tally
from unrolled.runs.durable import write_atomically


def write_predictions(
    predictor: Predictor,
    source: Path,
    output: Path,
    *,
    tally: Tally,
    by_step: bool,
    labelled: bool,
    whole: bool,
    strict: bool,
) -> None:
    """Write a row per sequence of a file, or a row per step.

    output: a Parquet file if its name ends in .parquet, otherwise a CSV file.
    tally: answers and counts the predictions.
    labelled: whether the labels of the file are read, for the tally.
    whole, strict: see `Predictor.predict_by_pieces`.

    Raises:
        DataError: the file cannot be read as the training file was.
        OutOfOrderError: the file must be read whole. Nothing is written, and the tally is useless.
    """

    def tables() -> Iterator[Columns]:
        if by_step:
            yield from _by_step(predictor, source, tally, whole=whole, strict=strict)
            return
        for block in predictor.blocks(source, labelled=labelled, whole=whole, strict=strict):
            ids, found = predictor.prediction(block)
            answers = tally.add(found.probabilities, block.classes.numpy() if labelled else None)
            yield {"id": ids, **answers, **found.columns()}

    def write(path: Path) -> None:
        with growing_table(path, parquet=output.suffix.lower() == ".parquet") as add:
            for columns in tables():
                add(columns)

    write_atomically(output, write, durable=False)


def _by_step(
    predictor: Predictor, source: Path, tally: Tally, *, whole: bool, strict: bool
) -> Iterator[Columns]:
    """Yield the rows of the steps of each block of sequences."""
    for ids, numbers, found in predictor.predict_steps(source, whole=whole, strict=strict):
        answers = tally.add(found.probabilities, None)
        yield {"id": ids, "step": np.array(numbers), **answers, **found.columns()}
