"""Trains, resumes and evaluates runs on files or arrays, as the command line does."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unrolled.api.finished_run import FinishedRun
from unrolled.api.restored import restored
from unrolled.config.classes import allowing
from unrolled.data.arrays.held import Given, given, holding
from unrolled.errors import ConfigError
from unrolled.runs.run_folder import RunFolder, find_run

if TYPE_CHECKING:
    from unrolled.explaining.explanation import Explanation
    from unrolled.reports.evaluation import Evaluation


def train(
    overrides: Sequence[str],
    *,
    data: Any = None,
    lengths: Any = None,
    groups: Any = None,
    val: Any = None,
    test: Any = None,
    allow: Sequence[str] = (),
) -> FinishedRun:
    """Train and test one run; see `unrolled.train`."""
    from unrolled.commands.train import train_here

    if isinstance(overrides, str):
        raise ConfigError(f'train needs a list of settings, for example ["{overrides}"]')
    words = list(overrides)
    splits = _splits(data, lengths=lengths, groups=groups, val=val, test=test)
    if splits:
        typed = [word for word in words if word.lstrip("+").startswith("data=")]
        if typed:
            raise ConfigError(f"{typed[0]}: the argument data= already is the data; leave one out")
        words.insert(0, "data=arrays")
        if groups is not None and not any(word.startswith("data.split=") for word in words):
            words.append("data.split=group")
    with _passing(splits, allow):
        path = train_here(words)
        _keep_held_out(path, splits)
    return _finished(path)


def resume(
    run: str | os.PathLike[str],
    overrides: Sequence[str] = (),
    *,
    data: Any = None,
    lengths: Any = None,
    groups: Any = None,
    val: Any = None,
    test: Any = None,
    allow: Sequence[str] = (),
) -> FinishedRun:
    """Continue a run; see `unrolled.resume`."""
    from unrolled.commands import resume as command

    splits = _splits(data, lengths=lengths, groups=groups, val=val, test=test)
    path = find_run(os.fspath(run), root=Path("outputs")).path
    with _passing(splits, allow):
        command.run([f"run={path}", *overrides])
        _keep_held_out(path, splits)
    return _finished(path)


def evaluate(
    run: str | os.PathLike[str],
    *,
    data: Any,
    lengths: Any = None,
    strict: bool = False,
    allow: Sequence[str] = (),
) -> "Evaluation":
    """Score a run on new arrays; see `unrolled.evaluate`."""
    from unrolled.commands.evaluate import evaluate_here

    new = given(data, name="data", lengths=lengths)
    with allowing(allow):
        return evaluate_here(find_run(os.fspath(run), root=Path("outputs")), new, strict=strict)


def explain(
    run: str | os.PathLike[str],
    overrides: Sequence[str] = (),
    *,
    data: Any = None,
    lengths: Any = None,
    groups: Any = None,
    val: Any = None,
    test: Any = None,
    allow: Sequence[str] = (),
) -> "Explanation":
    """Measure what a run remembers; see `unrolled.explain`."""
    from unrolled.commands.explain import explain_here

    if isinstance(overrides, str):
        raise ConfigError(f'explain needs a list of settings, for example ["{overrides}"]')
    splits = _splits(data, lengths=lengths, groups=groups, val=val, test=test)
    folder = find_run(os.fspath(run), root=Path("outputs"))
    with _passing(splits, allow):
        return explain_here(folder, overrides)


def _splits(data: Any, *, lengths: Any, groups: Any, val: Any, test: Any) -> dict[str, Given]:
    """Return the sets that are given, by split; none without `data`."""
    if data is None:
        others = {"lengths": lengths, "groups": groups, "val": val, "test": test}
        if found := [name for name, value in others.items() if value is not None]:
            raise ConfigError(f"{found[0]}= needs data=, for example data=(x, y)")
        return {}
    splits = {"train": given(data, name="data", lengths=lengths, groups=groups)}
    for name, part in (("val", val), ("test", test)):
        if part is not None:
            splits[name] = given(part, name=name)
    return splits


@contextmanager
def _passing(splits: dict[str, Given], allow: Sequence[str]) -> Iterator[None]:
    with restored(), allowing(allow), holding(splits) if splits else nullcontext():
        yield


def _keep_held_out(path: Path, splits: dict[str, Given]) -> None:
    if splits:
        from unrolled.prediction.kept_predictions import keep_held_out

        keep_held_out(RunFolder(path))


def _finished(path: Path) -> FinishedRun:
    result = RunFolder(path).result()
    assert result is not None
    return FinishedRun(path, result=result)
