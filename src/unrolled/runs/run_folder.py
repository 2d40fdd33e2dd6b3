"""What a run folder holds; the only reader and writer of it.

    config.yaml          the resolved config; what came from the environment stays a reference
    checkpoints/         best.ckpt (by the monitored score on val) and last.ckpt
    preprocessing.json   what the weights need beside it: sizes, class names, standardisation
    metrics.csv          a row per epoch; TensorBoard's event files stand beside it
    result.json          state, scores, sizes, times
    provenance.json      versions, commit and diff, hardware, command
    train.log            what was said

Nothing in it is a pickled object: JSON, YAML, CSV, and tensors that load with weights_only=True.
"""

import json
import logging
import math
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from omegaconf import DictConfig, OmegaConf

from unrolled.config.values import resolve
from unrolled.errors import CheckpointError, StorageError, did_you_mean
from unrolled.runs import checkpoint_file
from unrolled.runs.durable import write_text
from unrolled.runs.lock import is_helper, locked
from unrolled.runs.result import Result

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)

FORMAT_VERSION = 1  # of result.json and preprocessing.json
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the first where there is libyaml


class RunFolder:
    """The files of one run.

    path: the folder; it need not exist yet.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).absolute()

    @property
    def best_checkpoint(self) -> Path:
        """Weights of the epoch that was best on val."""
        return self.path / "checkpoints" / "best.ckpt"

    @property
    def last_checkpoint(self) -> Path:
        """State from which training continues: the end of an epoch, or a batch within one."""
        return self.path / "checkpoints" / "last.ckpt"

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.name

    # one process at a time

    def require_free(self) -> None:
        """Refuse to begin a run where there is one, or where none can be.

        Raises:
            CheckpointError: the folder is that of another run.
            StorageError: it cannot be written.
        """
        if (self.path / "checkpoints").exists() and not is_helper():
            raise CheckpointError(
                f"{self.path} holds a run already; continue it with `{self.resume_command}`, "
                "or choose another hydra.run.dir"
            )
        nearest = next(path for path in (self.path, *self.path.parents) if path.exists())
        if not nearest.is_dir() or not os.access(nearest, os.W_OK):
            reason = "is a file" if not nearest.is_dir() else "may not be written"
            raise StorageError(f"{self.path} cannot be made: {nearest} {reason}")

    def make_free(self) -> None:
        """Let a run begin where one has left nothing to continue from."""
        if not is_helper() and (self.path / "checkpoints").is_dir():
            with locked(self.path):
                self.remove_result()
                for path in (self.best_checkpoint, self.path / "provenance.json"):
                    path.unlink(missing_ok=True)
                (self.path / "checkpoints").rmdir()

    def set_aside(self) -> None:
        """Make room for another run of the same name; what is there moves to a hidden folder."""
        if is_helper():
            return
        with locked(self.path):
            aside = self.path / f".replaced-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
            aside.mkdir()
            kept = {"config.yaml", "train.log", "output.log"}  # the last two are being written
            for path in list(self.path.iterdir()):
                if not path.name.startswith(".") and path.name not in kept:
                    path.rename(aside / path.name)
            (self.path / "config.yaml").rename(aside / "config.yaml")  # tells what to set aside

    def drop_checkpoints(self, *, keep_best: bool) -> None:
        """Remove what a finished run does not need to be compared."""
        self.last_checkpoint.unlink(missing_ok=True)
        if not keep_best:
            self.best_checkpoint.unlink(missing_ok=True)

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Make the folder that of a new run, and hold it.

        Raises:
            CheckpointError: it is that of another run.
            StorageError: it cannot be written.
        """
        if not is_helper():
            try:
                (self.path / "checkpoints").mkdir(parents=True)  # made once, by one process only
            except FileExistsError:
                self.require_free()
                raise
            except OSError as error:
                raise StorageError(f"{self.path} cannot be written: {error.strerror}") from error
        with locked(self.path):
            yield

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder of a run that exists.

        Raises:
            CheckpointError: another process works on it.
        """
        with locked(self.path):
            yield

    @property
    def resume_command(self) -> str:
        """What to type to continue the run."""
        return f"unrolled resume {shlex.quote(f'run={self.path}')}"

    def require_best_checkpoint(self) -> None:
        """Refuse a run whose weights cannot be used, without importing torch.

        Raises:
            CheckpointError: there is no checkpoints/best.ckpt.
        """
        if not self.best_checkpoint.is_file():
            raise CheckpointError(
                f"{self.path} has no checkpoints/best.ckpt; {self._remedy_without_checkpoint()}"
            )

    def require_checkpoint(self) -> None:
        """Refuse a run that cannot be resumed, without importing torch.

        Raises:
            CheckpointError: there is neither checkpoints/last.ckpt nor checkpoints/best.ckpt.
        """
        if not self.last_checkpoint.is_file() and not self.best_checkpoint.is_file():
            raise CheckpointError(
                f"{self.path} has no checkpoint to resume from; {self._remedy_without_checkpoint()}"
            )

    def _remedy_without_checkpoint(self) -> str:
        if self.last_checkpoint.is_file():
            return f"to continue the run: {self.resume_command}"
        return f"to train again: {self._train_command()}"

    def _train_command(self) -> str:
        return shlex.join(["unrolled", "train", *self.provenance().get("overrides", [])])

    # config

    def write_config(self, config: DictConfig) -> None:
        """Write the resolved config; values from the environment are written as references."""
        self._write("config.yaml", OmegaConf.to_yaml(OmegaConf.create(resolve(config))))

    def config(self) -> DictConfig:
        """Return the config of the run, with settings that came later as they then were.

        Raises:
            CheckpointError: there is none; the folder is not a run.
        """
        path = self.path / "config.yaml"
        if not path.is_file():
            raise CheckpointError(
                f"{self.path} has no config.yaml, so it is not a run; see `unrolled list`"
            )
        # as OmegaConf.load, in a quarter of the time: what `write_config` writes is plain YAML
        values = yaml.load(path.read_bytes(), Loader=LOADER)  # noqa: S506 - a safe loader
        config = OmegaConf.create(values)
        assert isinstance(config, DictConfig)
        OmegaConf.set_struct(config, True)
        return config

    # JSON files

    def write_preprocessing(self, values: dict[str, Any]) -> None:
        """Write what the weights need beside the config."""
        self._write_versioned("preprocessing.json", values)

    def preprocessing(self) -> dict[str, Any]:
        """Return what the weights need beside the config.

        Raises:
            CheckpointError: it is missing or damaged, or another format version wrote it.
        """
        values = self._read_versioned("preprocessing.json")
        if values is None:
            raise CheckpointError(f"{self.path} has no preprocessing.json: training never started")
        return values

    def write_result(self, result: Result) -> None:
        """Write how the run ended."""
        self._write_versioned("result.json", result.to_json())

    def result(self) -> Result | None:
        """Return how the run ended, or None if it has not ended.

        Raises:
            CheckpointError: the file is damaged, or another format version wrote it.
        """
        values = self._read_versioned("result.json")
        return None if values is None else Result.from_json(values)

    def remove_result(self) -> None:
        """Forget how the run ended: it goes on."""
        (self.path / "result.json").unlink(missing_ok=True)

    def write_provenance(self, values: dict[str, Any]) -> None:
        """Write where the run comes from; of a resumed run, add where this part comes from."""
        before = self._read_json("provenance.json")
        if before is not None:
            values = {**before, "resumed": [*before.get("resumed", []), values]}
        self._write_json("provenance.json", values)

    def provenance(self) -> dict[str, Any]:
        """Return where the run comes from; nothing if that was not written."""
        return self._read_json("provenance.json") or {}

    def write_evaluation(self, values: dict[str, Any]) -> None:
        """Write the scores of the newest evaluation."""
        self._write_json("evaluation.json", values)

    # weights

    def load_checkpoint(self, path: Path) -> dict[str, Any]:
        """Return a checkpoint's plain values and tensors, on the CPU.

        Raises:
            CheckpointError: it is missing or damaged.
        """
        return checkpoint_file.load(path)

    def best_state_dict(self) -> "dict[str, Tensor]":
        """Return the weights of the best checkpoint, on the CPU.

        Raises:
            CheckpointError: it is missing or damaged.
        """
        weights: dict[str, Tensor] = self.load_checkpoint(self.best_checkpoint)["state_dict"]
        return weights

    def newest_checkpoint(self) -> tuple[Path, dict[str, Any]]:
        """Return the newest place from which training continues; a damaged file is passed over.

        Raises:
            CheckpointError: there is none.
        """
        reasons = []
        for path in (self.last_checkpoint, self.best_checkpoint):
            try:
                checkpoint = checkpoint_file.load(path)
            except CheckpointError as error:
                reasons.append(str(error))
                continue
            if path != self.last_checkpoint and self.last_checkpoint.exists():
                log.warning("%s; continuing from %s", "; ".join(reasons), path)
            return path, checkpoint
        raise CheckpointError(
            f"nothing to continue from: {'; '.join(reasons)}; "
            f"to train again: {self._train_command()}"
        )

    def _write_versioned(self, name: str, values: dict[str, Any]) -> None:
        self._write_json(name, {"format_version": FORMAT_VERSION, **values})

    def _read_versioned(self, name: str) -> dict[str, Any] | None:
        values = self._read_json(name)
        if values is None:
            return None
        if (found := values.pop("format_version", None)) != FORMAT_VERSION:
            raise CheckpointError(
                f"{self.path / name} has format version {found}, but this version of unrolled "
                f"reads format version {FORMAT_VERSION} only; use the version that wrote it, "
                "which provenance.json names"
            )
        return values

    def _write_json(self, name: str, values: dict[str, Any]) -> None:
        self._write(name, json.dumps(_plain(values), indent=2, allow_nan=False) + "\n")

    def _write(self, name: str, text: str) -> None:
        write_text(self.path / name, text, durable=True)

    def _read_json(self, name: str) -> dict[str, Any] | None:
        try:
            values: dict[str, Any] = json.loads((self.path / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise CheckpointError(f"{self.path / name} is damaged: {error}") from error
        return values


def find_runs(root: Path) -> Iterator[RunFolder]:
    """Yield the run folders in and under root, newest first; what is hidden is passed over."""
    configs = [
        path
        for path in root.rglob("config.yaml")
        if not any(part.startswith(".") for part in path.relative_to(root).parts)
    ]
    for path in sorted(configs, key=lambda path: path.stat().st_mtime_ns, reverse=True):
        yield RunFolder(path.parent)


def find_run(name: str, *, root: Path) -> RunFolder:
    """Return the run that `run=NAME` means: a folder, or `latest` under root.

    Raises:
        CheckpointError: there is no such run.
    """
    if name != "latest":
        folder = RunFolder(name)
        if not folder.path.exists():
            hint = did_you_mean(name, ["latest"])
            raise CheckpointError(f"run={name}: there is no such folder{hint}")
        folder.config()
        return folder
    for folder in find_runs(root):
        if folder.best_checkpoint.is_file():
            return folder
    raise CheckpointError(f"no run with a checkpoint under {root}; `unrolled train` makes one")


def _plain(value: Any) -> Any:
    """Return value with what JSON cannot say (NaN and infinities) as None."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
