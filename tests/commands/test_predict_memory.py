"""`unrolled predict` takes no more memory for a file, or a sequence, ten times as long."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from unrolled.cli import run
from unrolled.prediction.predictor import Predictor
from unrolled.runs.run_folder import RunFolder

PEAK = """
import sys
from pathlib import Path
from unrolled.prediction import long_sequences
from unrolled.cli import run
from unrolled.data.files import csv_tables

long_sequences.BLOCK_VALUES = 2**13
csv_tables.BLOCK_BYTES = 2**16  # both full in the shorter files too
code = run(sys.argv[1:])
status = Path("/proc/self/status").read_text()  # ru_maxrss begins with that of the parent
print(status.split("VmHWM:")[1].split()[0])
sys.exit(code)
"""
ALLOWED_GROWTH = 15_000  # KiB; read whole, the longer files take 60,000 and 76,000 more


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mine")
    write_file(path / "train.csv", num=40, length=5)
    settings = ["data.id=id", "data.time=t", "data.label=y", "data.features=[a,b]"]
    small = ["model.hidden_size=8", "trainer.max_epochs=1", "logger=none", "head=attention"]
    data = [
        "data=files",
        "recipe=own",
        f"data.path={path / 'train.csv'}",
        f"hydra.run.dir={path / 'run'}",
    ]
    assert run(["train", *data, *settings, *small, "model=gru"]) == 0
    return path


def write_file(path: Path, *, num: int, length: int) -> None:
    rng = np.random.default_rng(0)
    steps = num * length
    pd.DataFrame(
        {
            "id": np.repeat([f"s{n}" for n in range(num)], length),
            "t": np.tile(np.arange(length), num),
            "a": rng.normal(size=steps).round(4),
            "b": rng.normal(size=steps).round(4),
            "y": np.repeat(["u", "v"], length).tolist() * (num // 2) if num > 1 else ["u"] * steps,
        }
    ).to_csv(path, index=False)


def peak_kib(folder: Path, source: Path) -> int:
    words = ["predict", f"run={folder / 'run'}", f"input={source}", f"output={folder / 'out.csv'}"]
    words.append("overwrite=true")
    done = subprocess.run([sys.executable, "-c", PEAK, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1])


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads its peak from /proc")
@pytest.mark.parametrize("longer", ["the file", "the sequence"])
def test_ten_times_as_much_takes_no_more_memory(folder: Path, longer: str) -> None:
    sizes = {"the file": (1_000, 20), "the sequence": (1, 20_000)}
    num, length = sizes[longer]
    write_file(folder / "short.csv", num=num, length=length)
    grown = (10 * num, length) if longer == "the file" else (num, 10 * length)
    write_file(folder / "long.csv", num=grown[0], length=grown[1])
    growth = peak_kib(folder, folder / "long.csv") - peak_kib(folder, folder / "short.csv")
    assert growth < ALLOWED_GROWTH


def test_a_long_sequence_is_predicted_in_chunks_as_it_is_in_one_piece(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_file(folder / "some.csv", num=6, length=150)
    predictor = Predictor(RunFolder(folder / "run"))
    ids, expected = predictor.predict_file(folder / "some.csv")
    for name, value in {"LONG_STEPS": 40, "CHUNK_STEPS": 7, "BLOCK_SEQUENCES": 2}.items():
        monkeypatch.setattr(f"unrolled.prediction.long_sequences.{name}", value)
    again, found = predictor.predict_file(folder / "some.csv")
    assert again == ids
    np.testing.assert_allclose(found.probabilities, expected.probabilities, rtol=1e-4)


def test_the_output_is_whole_or_not_there(folder: Path, tmp_path: Path) -> None:
    write_file(tmp_path / "new.csv", num=2_000, length=30)
    with (tmp_path / "new.csv").open("a") as file:
        file.write("z,0,oops,1,u\n")
    words = [f"run={folder / 'run'}", f"input={tmp_path / 'new.csv'}"]
    assert run(["predict", *words, f"output={tmp_path / 'out.csv'}"]) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["new.csv"]


def test_a_file_that_is_out_of_order_is_read_whole_and_says_so(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_file(folder / "some.csv", num=6, length=5)
    table = pd.read_csv(folder / "some.csv")
    table.sort_values("t", kind="stable").to_csv(tmp_path / "new.csv", index=False)
    outputs = []
    for name in (folder / "some.csv", tmp_path / "new.csv"):
        words = [f"run={folder / 'run'}", f"input={name}", f"output={tmp_path / 'out.csv'}"]
        assert run(["predict", *words, "overwrite=true"]) == 0
        outputs.append(pd.read_csv(tmp_path / "out.csv"))
    assert (
        "rows of a sequence are not consecutive; the whole file is read" in capsys.readouterr().err
    )
    pd.testing.assert_frame_equal(*outputs, rtol=1e-5)
