"""Keeps what a report shows of arrays, which no file has: predictions and a few sequences."""

import io
import json
import logging
from dataclasses import asdict
from pathlib import Path

import numpy as np

from unrolled.data.files.npz_arrays import npz_errors
from unrolled.errors import UnrolledError
from unrolled.prediction.held_out import HeldOut, Mistake, classify_held_out
from unrolled.runs.durable import write_bytes
from unrolled.runs.run_folder import RunFolder

log = logging.getLogger(__name__)

FILE = "held_out.npz"
ARRAYS = ("probabilities", "labels", "lengths")


def keep_held_out(folder: RunFolder) -> None:
    """Write the predictions of a run on arrays for its held-out sequences, while it has the arrays.

    The worst mistakes are written with their values, as many as `report.examples`. A run that holds
    no sequences out keeps nothing, and the log has the reason.
    """
    result = folder.result()
    assert result is not None
    (folder.path / FILE).unlink(missing_ok=True)  # of the run before it was resumed
    try:
        num_mistakes = folder.config().report.examples
        held_out = classify_held_out(folder, split=result.held_out_split, num_mistakes=num_mistakes)
    except UnrolledError as error:
        log.info("no predictions are kept: %s", error)
        return
    mistakes = [asdict(one) for one in held_out.mistakes]
    arrays = {name: getattr(held_out, name) for name in ARRAYS}
    arrays |= {f"mistake_{n}": one.pop("values") for n, one in enumerate(mistakes)}
    about = {"class_counts": held_out.class_counts, "mistakes": mistakes}
    file = io.BytesIO()
    np.savez(file, about=np.array(json.dumps(about)), **arrays)
    write_bytes(folder.path / FILE, file.getvalue(), durable=False)


def read_held_out(path: Path) -> HeldOut:
    """Return what `keep_held_out` wrote.

    Raises:
        DataError: the file is damaged.
    """
    with npz_errors(path), np.load(path, allow_pickle=False) as file:
        about = json.loads(str(file["about"]))
        return HeldOut(
            **{name: file[name] for name in ARRAYS},
            mistakes=[
                Mistake(**one, values=file[f"mistake_{number}"])
                for number, one in enumerate(about["mistakes"])
            ],
            class_counts=about["class_counts"],
        )
