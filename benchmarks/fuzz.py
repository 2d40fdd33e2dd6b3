"""Reads damaged files of one format, and checks that each gives a result or a plain error.

OMP_NUM_THREADS=1 python benchmarks/fuzz.py FORMAT seconds=60 seed=1 [num=1000] [out=DIR]

FORMAT is csv, npz, parquet, ts, idx, config or run. Valid small inputs are changed at random:
bytes are flipped, zeroed, removed, inserted or repeated, words are replaced by difficult ones, and
files of run folders are exchanged. An input fails if it raises anything but an UnrolledError with
an exit code, takes more than 20 s of CPU time, or needs more than 2 GiB. A damaged run is used with
`predict` and one more command. It also fails if `predict` or `evaluate` gives another answer than
with the undamaged run. Each input that fails is written to out=DIR (fuzz-failures), with the error
next to it. The exit code is 1 if there is one.
"""

import contextlib
import copy
import io
import logging
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from unrolled.cli import run as command
from unrolled.config.checks import check_config
from unrolled.config.composition import compose_config, compose_job, without_hydra
from unrolled.contracts import Source
from unrolled.errors import UnrolledError

SECONDS_PER_INPUT = 20  # of CPU time
MEMORY_PER_INPUT = 2 * 2**30  # bytes
WORDS = (
    *(b"", b"nan", b"inf", b"-1", b"1e999", b"99999999999999999999", b"null", b"true", b"???"),
    *(b"\x00", b"\xff\xfe", b"\n", b"\r", b",", b";", b'"', b"'", b":", b"[", b"{", b"}", b"#"),
    *(b"${a}", b"${oc.env:HOME}", b"_target_", b"1600-01-01", b"=1+1", b"\xe2\x80\xae", b"0x7f"),
)

COMMANDS = ("predict", "evaluate", "report", "list")

Input = Path  # a file, or the folder of a run
Outcome = str  # "result", or "refused (3)"


class TooLongError(BaseException):
    """An input took too long. No `except Exception` catches it."""


# changes


def changed(content: bytes, other: bytes, draw: random.Random) -> bytes:
    """Return the content after one to four random changes; other: a second valid input."""
    data = bytearray(content)
    for _ in range(draw.randrange(1, 5)):
        size = len(data) + 1
        start, length = draw.randrange(size), draw.choice((1, 1, 4, 16, 64))
        kind = draw.randrange(8)
        if kind == 0 and data:
            data[min(start, len(data) - 1)] ^= 1 << draw.randrange(8)
        elif kind == 1:
            data[start : start + length] = bytes(length)
        elif kind == 2:
            del data[start : start + length]
        elif kind == 3:
            data[start:start] = draw.randbytes(length)
        elif kind == 4:
            data[start:start] = data[start : start + length] * draw.randrange(1, 50)
        elif kind == 5:
            del data[start:]
        elif kind == 6:
            place = draw.randrange(len(other) + 1)
            data[start : start + length] = other[place : place + length]
        else:
            data[start : start + draw.randrange(4)] = draw.choice(WORDS)
    return bytes(data)


# valid inputs


def table(draw: random.Random, *, is_long: bool) -> pd.DataFrame:
    """Return a small valid table."""
    rng = np.random.default_rng(draw.randrange(2**32))
    if is_long:
        rows = [
            (f"s{n}", t, *rng.normal(size=2).round(3), "ab"[n % 2])
            for n in range(8)
            for t in range(draw.randrange(2, 6))
        ]
        return pd.DataFrame(rows, columns=["name", "step", "x", "y", "kind"])
    frame = pd.DataFrame(rng.normal(size=(8, 6)).round(3), columns=[f"x_{t}" for t in range(6)])
    return frame.assign(kind=list("abababab"))


def valid_tables(folder: Path, draw: random.Random, suffix: str) -> Iterator[tuple[bytes, str]]:
    """Yield tables of two forms as bytes, each with its settings."""
    for is_long, settings in ((True, "data.id=name data.time=step"), (False, "data.form=wide")):
        path = folder / f"valid.{suffix}"
        frame = table(draw, is_long=is_long)
        if suffix == "csv":
            frame.to_csv(path, index=False)
        else:
            frame.to_parquet(path)
        yield path.read_bytes(), f"data.label=kind {settings}"


def valid_arrays(folder: Path) -> Iterator[tuple[bytes, str]]:
    """Yield NPZ files as bytes, with and without compression."""
    rng = np.random.default_rng(0)
    arrays = {"x": rng.normal(size=(8, 4, 2)), "y": np.arange(8) % 2}
    for save, more in ((np.savez, {}), (np.savez_compressed, {"lengths": np.arange(8) % 4 + 1})):
        save(folder / "valid.npz", **arrays, **more)
        yield (folder / "valid.npz").read_bytes(), ""


def valid_series() -> Iterator[tuple[bytes, str]]:
    """Yield .ts files as bytes: equal and unequal lengths, one and two channels."""
    head = (
        "@problemName a\n@timeStamps false\n@univariate {}\n@equalLength {}\n@classLabel true a b\n"
    )
    one = "".join(f"{n}.5,1,{n},-2e3:{'ab'[n % 2]}\n" for n in range(8))
    two = "".join(f"{'1,' * (n + 1)}2:{'3,' * (n + 1)}4:{'ab'[n % 2]}\n" for n in range(8))
    yield (head.format("true", "true") + "@data\n" + one).encode(), ""
    yield (head.format("false", "false") + "@data\n" + two).encode(), ""


# readers: each returns an outcome, or raises


def files_reader(path: Path) -> Callable[[str], None]:
    """Return a function that reads the file with some settings as `unrolled train` does."""
    from unrolled.building.source import build_source

    path.touch()
    sources: dict[str, Source] = {}

    def read(settings: str) -> None:
        if settings not in sources:
            words = ["data=files", f"data.path={path}", *settings.split()]
            sources[settings] = build_source(without_hydra(compose_config(words)))
        copy.deepcopy(sources[settings]).load()

    return read


def fuzz_bytes(
    inputs: list[tuple[bytes, str]], path: Path, read: Callable[[str], object]
) -> Callable[[random.Random], Input]:
    """Return a function that writes a changed input and reads it."""

    def attempt(draw: random.Random) -> Input:
        content, settings = draw.choice(inputs)
        path.write_bytes(changed(content, draw.choice(inputs)[0], draw))
        read(settings)
        return path

    return attempt


def fuzz_config(folder: Path) -> Callable[[random.Random], Input]:
    """Return a function that changes a file of the working folder, or types random settings."""
    from unrolled.config.keys import all_keys

    os.chdir(folder)
    text = b"defaults: [files, _self_]\npath: a.csv\nid: name\nlabel: kind\nwindow:\n  size: 3\n"
    keys = all_keys(without_hydra(compose_config([])))
    values = ["null", "-1", "1e99", "word", "[]", "{}", "[1,a]", "{a: 1}", "true", "0.5", "''"]
    values += ["${seed}", "${nothing}", "???", "1" * 40, "'a b'", "$", "{_target_: os.system}"]
    path = folder / "mine.yaml"
    typed = folder / "typed.txt"

    def attempt(draw: random.Random) -> Input:
        if draw.random() < 0.5:
            path.write_bytes(changed(text, text, draw))
            words = ["data=mine"]
        else:
            sign = draw.choice(("", "", "", "+", "~", "++"))
            words = [f"{sign}{draw.choice(keys)}={draw.choice(values)}" for _ in range(2)]
        typed.write_text("\n".join(words))
        check_config(without_hydra(compose_job(words)[0]))
        return path

    return attempt


def fuzz_run(folder: Path) -> Callable[[random.Random], Input]:
    """Return a function that damages one file of a run folder and uses the run."""
    os.chdir(folder)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 5, 2)).astype(np.float32), np.arange(60) % 3
    np.savez("data.npz", x=x, y=y)
    words = [
        "data=files",
        "data.path=data.npz",
        "recipe=own",
        "trainer=cpu",
        "trainer.max_epochs=2",
    ]
    for name, seed in (("run", 1), ("other", 2)):
        settings = [f"seed={seed}", "model=gru", "model.hidden_size=4", f"hydra.run.dir={name}"]
        assert command(["train", *words, *settings]) == 0
    shutil.copytree("run", "unended")  # as if it was killed after its training
    for name in ("manifest.json", "result.json"):
        (folder / "unended" / name).unlink()
    shutil.copytree("run", "damaged")
    logging.getLogger().handlers.clear()  # which write to the log of the run
    expected = {name: answers(Path(name), COMMANDS) for name in ("run", "unended")}

    def attempt(draw: random.Random) -> Input:
        shutil.rmtree("damaged")
        name = draw.choice(("run", "run", "unended"))
        shutil.copytree(name, "damaged")
        paths = sorted(p.relative_to(name) for p in Path(name).rglob("*") if p.is_file())
        path = draw.choice(paths)
        target, other = Path("damaged") / path, Path("other") / path
        content = target.read_bytes()
        kind = draw.choice(("truncated", "flipped", "zeroed", "swapped", "exchanged", "mixed"))
        start = draw.randrange(len(content) + 1)
        if kind == "truncated":
            target.write_bytes(content[:start])
        elif kind == "flipped" and content:
            start = min(start, len(content) - 1)
            flipped = bytes([content[start] ^ 1 << draw.randrange(8)])
            target.write_bytes(content[:start] + flipped + content[start + 1 :])
        elif kind == "zeroed":
            size = min(draw.choice((1, 16, 4096)), len(content) - start)
            target.write_bytes(content[:start] + bytes(size) + content[start + size :])
        elif kind == "swapped" and other.is_file():
            shutil.copy(other, target)
        elif kind == "exchanged":  # with another file of the same run
            shutil.copy(Path(name) / draw.choice(paths), target)
        else:
            target.write_bytes(changed(content, content, draw))
        found = answers(Path("damaged"), ["predict", draw.choice(("evaluate", "report", "list"))])
        wrong = [
            what
            for what, answer in found.items()
            if not isinstance(answer, int) and answer != expected[name][what]
        ]
        assert not wrong, f"{kind} {path}: {' and '.join(wrong)} gave another answer"
        refused = [answer for answer in found.values() if isinstance(answer, int)]
        if refused:
            raise Refused(max(refused))
        return target

    return attempt


class Refused(UnrolledError):  # noqa: N818 - it is the expected outcome
    """A command refused a damaged run."""

    def __init__(self, code: int) -> None:
        super().__init__()
        self.exit_code = code


def answers(folder: Path, commands: Iterable[str]) -> dict[str, str | int]:
    """Return what the commands answer about a run: a text, or the exit code of a plain error."""
    common = [f"run={folder}", "input=data.npz", "output=out.csv", "overwrite=true"]
    words = {
        "predict": ["predict", *common],
        "evaluate": ["evaluate", *common],
        "report": ["report", str(folder), "baselines=false"],
        "list": ["list", f"root={folder}"],
    }
    out = Path("out.csv")
    return {
        name: answer(words[name], out if "overwrite=true" in words[name] else None)
        for name in commands
    }


def answer(words: list[str], output: Path | None) -> str | int:
    """Return the content of the output, an empty text without one, or the exit code.

    Raises:
        AssertionError: there is a traceback, or no message.
    """
    if output is not None:
        output.unlink(missing_ok=True)
    out, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        code = command(words)
    text = errors.getvalue()
    assert "Traceback" not in text + out.getvalue(), text
    assert code in (0, 2, 3, 4, 6), f"exit code {code}: {text}"
    assert code == 0 or "error: " in text, f"exit code {code} without a message: {text}"
    if code:
        return code
    return "" if output is None else output.read_text()


# the loop


def attempt_of(kind: str, folder: Path, draw: random.Random) -> Callable[[random.Random], Input]:
    """Return the function that makes and reads one input."""
    if kind in ("csv", "parquet"):
        path = folder / f"input.{kind}"
        return fuzz_bytes(list(valid_tables(folder, draw, kind)), path, files_reader(path))
    if kind == "npz":
        path = folder / "input.npz"
        return fuzz_bytes(list(valid_arrays(folder)), path, files_reader(path))
    if kind == "ts":
        path = folder / "input.ts"
        return fuzz_bytes(list(valid_series()), path, files_reader(path))
    if kind == "idx":
        import gzip

        from unrolled.data.sources.idx import read_idx

        path = folder / "input-idx3-ubyte"
        content = bytes([0, 0, 8, 3, 0, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0, 3]) + bytes(range(24))
        inputs = [(content, ""), (gzip.compress(content), "")]
        return fuzz_bytes(inputs, path, lambda _: read_idx(path, sha256=None))
    if kind == "config":
        return fuzz_config(folder)
    if kind == "run":
        return fuzz_run(folder)
    sys.exit(f"FORMAT is csv, npz, parquet, ts, idx, config or run, not {kind}")


def limit_memory() -> None:
    """Refuse more memory than the process has now and MEMORY_PER_INPUT."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY_PER_INPUT
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def outcome_of(attempt: Callable[[random.Random], Input], draw: random.Random) -> Outcome:
    """Return how one input ended.

    Raises:
        BaseException: it failed.
    """
    signal.setitimer(signal.ITIMER_PROF, SECONDS_PER_INPUT)
    try:
        attempt(draw)
    except UnrolledError as error:
        return f"refused with exit code {error.exit_code}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return "result"


def too_long(number: int, frame: object) -> None:
    """Handle the alarm."""
    raise TooLongError(f"no answer after {SECONDS_PER_INPUT} s of CPU time")


def keep(folder: Path, kept: Path, number: int) -> None:
    """Copy the input that failed, and write the error next to it."""
    kept.mkdir(parents=True, exist_ok=True)
    names = ("input.*", "input-*", "mine.yaml", "typed.txt", "damaged")
    for path in (path for name in names for path in folder.glob(name)):
        target = kept / f"{number}-{path.name}"
        shutil.copytree(path, target) if path.is_dir() else shutil.copy(path, target)
    (kept / f"{number}-error.txt").write_text(traceback.format_exc())


def main() -> None:
    """Try inputs until the time is over or `num` are done, and print the counts."""
    kind, *words = sys.argv[1:] or ["none"]
    arguments = dict(word.split("=", 1) for word in words)
    seconds, seed = float(arguments.get("seconds", "60")), int(arguments.get("seed", "1"))
    num = int(arguments.get("num", "0"))
    kept = Path(arguments.get("out", "fuzz-failures")).absolute() / kind
    draw = random.Random(seed)  # noqa: S311 - reproducible
    counts: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as name:
        attempt = attempt_of(kind, Path(name), draw)
        limit_memory()
        signal.signal(signal.SIGPROF, too_long)
        started_at = time.monotonic()
        while counts.total() < num if num else time.monotonic() - started_at < seconds:
            if num and counts.total() % 20 == 0:
                print(f"{counts.total()} of {num}: {dict(counts)}", flush=True)
            try:
                counts[outcome_of(attempt, draw)] += 1
            except KeyboardInterrupt:
                break
            except BaseException as error:  # noqa: BLE001 - every one is a finding
                counts["failed"] += 1
                last = traceback.extract_tb(error.__traceback__)[-1]
                place = f"{type(error).__name__} in {last.filename}:{last.lineno}"
                failures[place] += 1
                if failures[place] <= 3:
                    keep(Path(name), kept, counts["failed"])
        took = time.monotonic() - started_at
        os.chdir(here)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{kind}: {counts.total():,} inputs in {took:.0f} s, seed {seed}, peak {peak:,} MiB")
    for text, number in sorted(counts.items()):
        print(f"  {number:>9,} {text}")
    for place, number in failures.most_common():
        print(f"  {number:>9,} {place}; see {kept}")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
