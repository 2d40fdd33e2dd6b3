"""The files of a run folder. No other code reads or writes them.

    config.yaml          the resolved config; ${oc.env:NAME} stays a reference
    checkpoints/         best.ckpt (best monitored score) and last.ckpt (to resume from)
    preprocessing.json   what prediction needs: sizes, class names, standardization, ...
    metrics.csv          a row of scores per epoch
    events.out.*         the same for TensorBoard, with hparams.yaml
    result.json          state, scores, sizes and times; see `unrolled.runs.result`
    evaluation.json      scores of the newest `unrolled evaluate`
    explain.json         measures of `unrolled explain`; see `unrolled.explaining.explanation`
    out_of_fold.csv      predictions of a cross-validation for the sequences held out
    provenance.json      versions, commit and diff, hardware, command
    train.log            the log
    fold-1/ member-1/    of a run of several trainings: a run folder for each

The files are JSON, YAML, CSV, and tensors that load with weights_only=True. None is a pickle.
"""

import csv
import itertools
import logging
import math
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from omegaconf import DictConfig

from unrolled.config.classes import allow_words
from unrolled.config.values import resolve_for_file
from unrolled.errors import CheckpointError, did_you_mean
from unrolled.runs import checkpoint_file
from unrolled.runs.config_file import read_config, read_plain_config
from unrolled.runs.durable import write_text
from unrolled.runs.json_file import read_json, write_json
from unrolled.runs.locked_folder import LockedFolder
from unrolled.runs.migrations import FORMAT_VERSION, migrate_file
from unrolled.runs.result import Result

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)

LONGEST_LINE = 400  # characters of a line of a log that a report shows
PART = re.compile(r"(member|fold)-\d+")  # name of the folder of a training in a run of several
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # CSafeDumper needs libyaml


class RunFolder(LockedFolder):
    """The files of one run.

    path: the folder, which need not exist yet.
    """

    @property
    def best_checkpoint(self) -> Path:
        """Checkpoint of the epoch with the best monitored score."""
        return self.path / "checkpoints" / "best.ckpt"

    @property
    def last_checkpoint(self) -> Path:
        """Newest checkpoint, from which training resumes."""
        return self.path / "checkpoints" / "last.ckpt"

    @property
    def members(self) -> list["RunFolder"]:
        """Members of the model, whose probabilities are averaged; empty if it is one network."""
        return self._parts("member")

    @property
    def folds(self) -> list["RunFolder"]:
        """Trainings of a cross-validation; empty without one."""
        return self._parts("fold")

    @property
    def networks(self) -> list["RunFolder"]:
        """Folders whose best checkpoints make up the model: the members, or this folder."""
        return self.members or [self]

    @property
    def is_trained(self) -> bool:
        """Whether best.ckpt of each network of the model exists."""
        return all(folder.best_checkpoint.is_file() for folder in self.networks)

    @property
    def can_resume(self) -> bool:
        """Whether there is a checkpoint to resume from, or a training that has yet to start."""
        return self.last_checkpoint.is_file() or bool(self.folds or self.members)

    def _parts(self, kind: str) -> list["RunFolder"]:
        folders = (RunFolder(self.path / f"{kind}-{number}") for number in itertools.count(1))
        return list(itertools.takewhile(lambda f: (f.path / "config.yaml").is_file(), folders))

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.path.name

    def drop_checkpoints(self, *, keep_best: bool) -> None:
        """Remove the checkpoints of a finished run.

        keep_best: whether best.ckpt stays.
        """
        for part in (*self.folds, *self.members):
            part.drop_checkpoints(keep_best=keep_best)
        self.last_checkpoint.unlink(missing_ok=True)
        if not keep_best:
            self.best_checkpoint.unlink(missing_ok=True)

    def require_best_checkpoint(self) -> None:
        """Refuse a run whose weights cannot be used, without importing torch.

        Raises:
            CheckpointError: there is no checkpoints/best.ckpt.
        """
        if self.folds and not self.members:
            raise CheckpointError(
                f"{self.path} has no final model, because data.refit is false; "
                f"the model of the first fold is run={self.folds[0].path}"
            )
        for folder in self.networks:
            if not folder.best_checkpoint.is_file():
                remedy = self._remedy_without_checkpoint()
                raise CheckpointError(f"{folder.path} has no checkpoints/best.ckpt; {remedy}")

    def require_checkpoint(self) -> None:
        """Refuse a run that cannot be resumed, without importing torch.

        Raises:
            CheckpointError: there is neither checkpoints/last.ckpt nor checkpoints/best.ckpt.
        """
        if not self.can_resume and not self.best_checkpoint.is_file():
            raise CheckpointError(
                f"{self.path} has no checkpoint to resume from; {self._remedy_without_checkpoint()}"
            )

    def _remedy_without_checkpoint(self) -> str:
        if self.can_resume:
            return f"to continue the run: {self.resume_command}"
        return f"to train again: {self._train_command()}"

    def _train_command(self) -> str:
        words = ["unrolled", "train", *self.provenance().get("overrides", []), *allow_words()]
        here = [] if self.has_progress else [f"hydra.run.dir={self.path}"]
        return shlex.join([*words, *here])

    # config

    def write_config(self, config: DictConfig) -> None:
        """Write the resolved config. Values from the environment stay references."""
        text = yaml.dump(
            resolve_for_file(config), Dumper=DUMPER, sort_keys=False, allow_unicode=True
        )
        write_text(self.path / "config.yaml", text, durable=True)

    def config(self) -> DictConfig:
        """Return the config of the run.

        Raises:
            CheckpointError: there is no config.yaml, so the folder is not a run.
        """
        config = read_config(self.path / "config.yaml")
        if config is None:
            raise self._no_config()
        return config

    def plain_config(self) -> dict[str, Any]:
        """Return `resolve(self.config())`, which takes a tenth of the time in this way.

        Raises:
            CheckpointError: there is no config.yaml, so the folder is not a run.
        """
        values = read_plain_config(self.path / "config.yaml")
        if values is None:
            raise self._no_config()
        return values

    def _no_config(self) -> CheckpointError:
        return CheckpointError(
            f"{self.path} has no config.yaml, so it is not a run; see `unrolled list`"
        )

    # JSON files

    def write_preprocessing(self, values: dict[str, Any]) -> None:
        """Write what prediction needs besides config and weights."""
        self._write_versioned("preprocessing.json", values)

    def preprocessing(self) -> dict[str, Any]:
        """Return what prediction needs besides config and weights.

        Raises:
            CheckpointError: the file is missing or damaged, or has another format version.
        """
        values = self._read_versioned("preprocessing.json")
        if values is None:
            raise CheckpointError(
                f"{self.path} has no preprocessing.json, because its training never started"
            )
        return values

    def write_result(self, result: Result) -> None:
        """Write how the run ended."""
        self._write_versioned("result.json", result.to_json())

    def result(self) -> Result | None:
        """Return how the run ended, or None if it has not ended.

        Raises:
            CheckpointError: the file is damaged or has another format version.
        """
        values = self._read_versioned("result.json")
        return None if values is None else Result.from_json(values)

    def temperature(self) -> float | None:
        """Return the temperature by which the logits of the model are divided, or None.

        Raises:
            CheckpointError: the run was calibrated, and its temperature is missing or damaged.
        """
        if self.config().calibration == "none":
            return None
        result = self.result()
        if result is None or (result.calibration is None and result.state != "done"):
            log.warning("%s is not calibrated yet, because its training has not ended", self.path)
            return None
        value = None if result.calibration is None else result.calibration.temperature
        if not isinstance(value, float) or not 0 < value < math.inf:
            raise CheckpointError(
                f"{self.path / 'result.json'}: the temperature is {value}, but calibration="
                f"temperature needs a number > 0; to calibrate again: {self.resume_command}"
            )
        return value

    def remove_result(self) -> None:
        """Remove result.json, and measures of the weights so far, when the run resumes."""
        for name in ("result.json", "explain.json"):
            (self.path / name).unlink(missing_ok=True)

    def write_provenance(self, values: dict[str, Any]) -> None:
        """Write the provenance; a resumed run adds an entry to `resumed`."""
        before = read_json(self.path / "provenance.json")
        if before is not None:
            values = {**before, "resumed": [*before.get("resumed", []), values]}
        write_json(self.path / "provenance.json", values)

    def provenance(self) -> dict[str, Any]:
        """Return the provenance, or an empty dictionary if it was not written."""
        return read_json(self.path / "provenance.json") or {}

    @property
    def started_in(self) -> Path:
        """The working folder of the command that started the run."""
        return Path(self.provenance().get("working_folder", "")).absolute()

    def write_evaluation(self, values: dict[str, Any]) -> None:
        """Write the scores of an evaluation, and replace earlier ones."""
        write_json(self.path / "evaluation.json", values)

    def write_out_of_fold(self, table: str) -> None:
        """Write the predictions of a cross-validation, a CSV table."""
        write_text(self.path / "out_of_fold.csv", table, durable=True)

    # text files

    def metrics(self) -> list[dict[str, float]]:
        """Return the rows of metrics.csv without empty cells; none if it was not written.

        Raises:
            CheckpointError: the file is damaged.
        """
        path = self.path / "metrics.csv"
        if not path.is_file():
            return []
        try:
            with path.open(newline="", encoding="utf-8") as file:
                return [
                    {name: float(value) for name, value in row.items() if value}
                    for row in csv.DictReader(file)
                ]
        except (ValueError, TypeError, csv.Error) as error:
            raise CheckpointError(f"{path} is damaged: {error}") from error

    def log_end(self, num_lines: int) -> str:
        """Return the last lines of the output of a job, or of the log; empty if there is none."""
        for name in ("output.log", "train.log"):
            path = self.path / name
            if path.is_file() and path.stat().st_size:
                with path.open("rb") as file:
                    file.seek(-min(path.stat().st_size, num_lines * LONGEST_LINE), os.SEEK_END)
                    lines = file.read().decode("utf-8", errors="replace").splitlines()
                return "\n".join(line[:LONGEST_LINE] for line in lines[-num_lines:])
        return ""

    # weights

    def load_checkpoint(self, path: Path) -> dict[str, Any]:
        """Return the plain values and tensors of a checkpoint, on the CPU.

        Raises:
            CheckpointError: the file is missing or damaged.
        """
        return checkpoint_file.load(path)

    def best_state_dict(self) -> "dict[str, Tensor]":
        """Return the weights of the best checkpoint, on the CPU.

        Raises:
            CheckpointError: the file is missing or damaged, or the run is an ensemble.
        """
        if self.members:
            raise CheckpointError(
                f"{self.path} has several networks; name one, such as {self.members[0].path}"
            )
        weights: dict[str, Tensor] = self.load_checkpoint(self.best_checkpoint)["state_dict"]
        return weights

    def newest_checkpoint(self) -> tuple[Path, dict[str, Any]]:
        """Return path and content of the newest valid checkpoint. Damaged files are skipped.

        Raises:
            CheckpointError: no checkpoint is valid.
        """
        reasons = []
        for path in (self.last_checkpoint, self.best_checkpoint):
            try:
                checkpoint = checkpoint_file.load(path)
            except CheckpointError as error:
                reasons.append(str(error))
                continue
            if path != self.last_checkpoint and self.last_checkpoint.exists():
                log.warning("%s; resuming from %s", "; ".join(reasons), path)
            return path, checkpoint
        raise CheckpointError(
            f"no checkpoint to resume from: {'; '.join(reasons)}; "
            f"start again with: {self._train_command()}"
        )

    def _write_versioned(self, name: str, values: dict[str, Any]) -> None:
        write_json(self.path / name, {"format_version": FORMAT_VERSION, **values})

    def _read_versioned(self, name: str) -> dict[str, Any] | None:
        values = read_json(self.path / name)
        if values is None:
            return None
        return migrate_file(values, name=name, place=str(self.path / name))


def find_runs(root: Path) -> Iterator[RunFolder]:
    """Yield the run folders in and under root, newest first.

    Hidden folders and the folders within a run (of its members and folds) are skipped.
    """
    paths = [
        path
        for path in root.rglob("config.yaml")
        if not any(part.startswith(".") for part in path.relative_to(root).parts)
    ]
    folders = {path.parent for path in paths}
    runs = [p for p in paths if not (PART.fullmatch(p.parent.name) and p.parents[1] in folders)]
    for path in sorted(runs, key=lambda path: path.stat().st_mtime_ns, reverse=True):
        yield RunFolder(path.parent)


def find_run(name: str, *, root: Path) -> RunFolder:
    """Return the run of `run=NAME`.

    name: a folder, or `latest` for the newest run under root that has a checkpoint.

    Raises:
        CheckpointError: there is no such run.
    """
    if name != "latest":
        folder = RunFolder(name)
        if not folder.path.exists():
            hint = did_you_mean(name, ["latest"])
            raise CheckpointError(f"run={name}: the folder does not exist{hint}")
        folder.config()
        return folder
    for folder in find_runs(root):
        if folder.is_trained:
            return folder
    raise CheckpointError(f"no run with a checkpoint under {root}; start one with `unrolled train`")
