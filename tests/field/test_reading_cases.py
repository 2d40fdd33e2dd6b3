"""Cases from the field about reading files and typing names, with one assertion each.

The name of a test is the name of its case. `real_arrowhead` holds the files of two cases. Files of
the archive are cut to a few sequences. Those of R packages are replaced by small tables with the
same columns.
"""

import io
import os
import re
import shutil
import threading
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn

from conftest import compose
from unrolled.building.source import build_source
from unrolled.cli import run
from unrolled.commands.arguments import quote_names
from unrolled.contracts import SourceData
from unrolled.data.files.npz_format import array_parts
from unrolled.data.files.paths import require_path
from unrolled.data.files.pipes import regular
from unrolled.data.files.reader import fit_schema
from unrolled.data.files.schema import Schema
from unrolled.errors import DataError

pytestmark = pytest.mark.usefixtures("unrendered_figures")

CASES = Path(__file__).parent / "cases"
SWINGS = ("id=swing", "time=minute", "label=kind")


def load(case: str, file: str, *settings: str) -> SourceData:
    """Return the data that `train data=files` reads."""
    words = [f"path={CASES / case / file}", *settings]
    return build_source(compose("data=files", *quote_names([f"data.{w}" for w in words]))).load()


@pytest.fixture
def inspect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Any:
    """Return a function that inspects a file in a copy of a case; it returns what is printed."""

    def described(case: str, *words: str, code: int = 0) -> str:
        shutil.copytree(CASES / case, tmp_path / case)
        monkeypatch.chdir(tmp_path / case)
        assert run(["inspect", *words]) == code
        return "".join(capsys.readouterr())

    return described


@pytest.mark.parametrize(
    ("words", "features"),
    [
        (["path=x.csv", "id=id", "time=12:30", "label=no"], ["on", "${x}"]),
        (["path=y.csv", "id=null", "time=true", "label=~"], ["1e3", "???"]),
    ],
)
def test_column_names_yaml(inspect: Any, words: list[str], features: list[str]) -> None:
    name = words[0].removeprefix("path=").removesuffix(".csv")
    inspect("column_names_yaml", *words, f"output=names_{name}.yaml")
    data = build_source(compose(f"data=names_{name}")).load()
    assert data.schema["features"] == tuple(features)


def test_daphnet(inspect: Any) -> None:
    printed = inspect("daphnet", "path=S06R02E0.csv", "label=is_anomaly", code=3)
    assert "column 'timestamp' holds times, so each row is a step" in printed
    assert re.search("Type id=COLUMN.* add such a column.* form=wide", printed)


@pytest.mark.parametrize("name", ["digits", "files"])
def test_inspect_output(inspect: Any, name: str) -> None:
    words = ("path=falls.csv", f"output={name}.yaml")
    assert f"data={name} is a built-in option" in inspect("label_None", *words, code=2)


def test_label_None() -> None:  # noqa: N802 - the name of the case
    assert load("label_None", "falls.csv", *SWINGS).class_names == ("None", "fall")


def test_length_one() -> None:
    data = load("length_one", "a.csv", "id=id", "label=label", "form=long")
    assert data.train.lengths.tolist() == [1] * 40


def test_long_sequence(inspect: Any, tmp_path: Path) -> None:
    (tmp_path / "long").mkdir()
    rows = [f"{n},{t},{n % 2},{t}\n" for n in range(2) for t in range(3000)]
    (tmp_path / "a.csv").write_text("id,t,label,v\n" + "".join(rows))
    printed = inspect("one_class", f"path={tmp_path / 'a.csv'}")
    assert "3,000 steps, which trains slowly" in printed


def test_npz_y_objects() -> None:
    with pytest.raises(DataError, match=r"y is an array of objects.* y=y\.astype\(str\)"):
        load("npz_y_objects", "data.npz")


def test_one_class() -> None:
    with pytest.raises(DataError, match="need at least two classes, found only 'slow'"):
        load("one_class", "a.csv", *SWINGS)


def test_quoted_newline() -> None:
    data = load("quoted_newline", "a.csv", "id=id", "time=t", "label=label", "features=[v]")
    assert data.train.lengths.tolist() == [5] * 30


@pytest.mark.parametrize("suffix", ["arff", "tsv"])
def test_real_arrowhead(suffix: str) -> None:
    expected, found = (
        fit_schema(Schema(), CASES / "real_arrowhead" / f"ArrowHead_TRAIN.{kind}")[1]
        for kind in ("ts", suffix)
    )
    assert found.labels == expected.labels
    np.testing.assert_array_equal(found.steps, expected.steps)


def test_real_BasicMotions() -> None:  # noqa: N802 - the name of the data set
    expected, found = (
        fit_schema(Schema(), CASES / "real_BasicMotions" / f"BasicMotions_TRAIN.{kind}")[1]
        for kind in ("ts", "arff")
    )
    assert found.labels == expected.labels
    np.testing.assert_array_equal(found.steps, expected.steps)


def test_a_folder_of_the_archive_is_a_training_and_a_test_set() -> None:
    data = load("real_BasicMotions", "")
    assert data.test is not None
    assert (len(data.train.y), len(data.test.y)) == (2, 2)


def test_a_folder_of_the_archive_is_inspected(inspect: Any) -> None:
    printed = inspect("real_BasicMotions", "path=../real_BasicMotions", "output=x.yaml")
    assert "BasicMotions_TEST.ts, 2 sequences" in printed


def test_real_ItalyPowerDemand() -> None:  # noqa: N802 - the name of the data set
    data = load("real_ItalyPowerDemand", "ItalyPowerDemand_TRAIN.ts")
    assert tuple(data.train.x.shape) == (6, 24, 1)


def test_real_JapaneseVowels() -> None:  # noqa: N802 - the name of the data set
    data = load("real_JapaneseVowels", "JapaneseVowels_TRAIN.ts")
    assert data.train.lengths.tolist() == [20, 18, 17]


def test_real_digits_gz(inspect: Any) -> None:
    path = Path(sklearn.__file__).parent / "datasets" / "data" / "digits.csv.gz"
    printed = inspect("one_class", f"path={path}", "label=column 65")
    assert "sequences: 1,797, 64 steps each" in printed


def test_real_mitdb(inspect: Any) -> None:
    printed = inspect("real_mitdb", "path=mitdb.csv")
    assert "If each row is a step, type id=COLUMN" in printed


def test_real_respiratory(inspect: Any) -> None:
    words = ("path=respiratory.csv", "id=id", "time=visit", "label=treat")
    assert "16 repeated times in the file" in inspect("real_respiratory", *words, code=3)


def test_real_schizophrenia2() -> None:
    words = ("id=subject", "time=month", "label=onset", "features=[disorder]", "missing=forward")
    data = load("real_schizophrenia2", "schizophrenia2.csv", *words, "categorical=[disorder]")
    assert int(data.train.x.isnan().any(dim=2).sum()) == 1


def test_resample_month() -> None:
    data = load("resample_month", "a.csv", "id=id", "time=t", "label=label", "resample=1d")
    assert int(data.train.lengths.max()) == 153


def test_resample_month_is_not_a_minute() -> None:
    with pytest.raises(ValueError, match="resample=1M"):
        load("resample_month", "a.csv", "id=id", "time=t", "label=label", "resample=1M")


def test_run_dir_equals() -> None:
    assert quote_names(["hydra.run.dir=lr=0.1"]) == ["hydra.run.dir='lr=0.1'"]


def test_sweep_paths() -> None:
    words = ["-m", "data.path=a.csv,b.csv"]
    assert quote_names(words) == ["-m", "data.path='a.csv','b.csv'"]


def test_a_file_whose_name_has_a_comma_is_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a,b.csv").touch()
    assert quote_names(["-m", "data.path=a,b.csv"]) == ["-m", "data.path='a,b.csv'"]


def pipe_with(path: Path, content: bytes) -> Path:
    os.mkfifo(path)
    threading.Thread(target=path.write_bytes, args=(content,), daemon=True).start()
    return path


def test_stdin_inspect(inspect: Any, tmp_path: Path) -> None:
    pipe = pipe_with(tmp_path / "pipe", (CASES / "gz" / "swings.csv.gz").read_bytes())
    printed = inspect("one_class", f"path={pipe}")
    assert "to train:  unrolled train data=my_data data.path=FILE" in printed


def test_stdin_of_an_array(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.ones((3, 4, 2)))
    pipe = pipe_with(tmp_path / "pipe", buffer.getvalue())
    (part,) = array_parts(regular(pipe), labelled=False)
    assert part.lengths.tolist() == [4, 4, 4]


def test_stdin_train(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert run(["train", "data=files", f"data.path={tmp_path / 'pipe'}"]) == 3
    assert "is a pipe, which can be read only once" in capsys.readouterr().err


def test_relative_path_elsewhere_on_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(CASES / "quoted_newline" / "a.csv", tmp_path)
    monkeypatch.chdir(tmp_path)
    columns = ["data.id=id", "data.time=t", "data.label=label", "data.features=[v]"]
    small = ["recipe=own", "model.hidden_size=4", "data.val_size=0.1", "data.test_size=0"]
    words = ["trainer.max_steps=1", "logger=none", "test=false", "hydra.run.dir=run"]
    assert run(["train", "data=files", "data.path=a.csv", *columns, *small, *words]) == 0
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert run(["resume", "run=../run", "trainer.max_steps=2"]) == 0


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_unicode_nfd_of_a_file(form: Any, tmp_path: Path) -> None:
    other = {"NFC": "NFD", "NFD": "NFC"}[form]
    folder = tmp_path / unicodedata.normalize(form, "Größe")
    folder.mkdir()
    shutil.copy(CASES / "length_one" / "a.csv", folder / unicodedata.normalize(form, "é.csv"))
    typed = tmp_path / unicodedata.normalize(other, "Größe/é.csv")
    assert require_path("data.path", str(typed)).is_file()


def test_unicode_nfd_in_the_labels_of_a_folder(tmp_path: Path) -> None:
    for name, text in (("é.csv", "v\n1\n"), ("b.csv", "v\n2\n")):
        (tmp_path / unicodedata.normalize("NFD", name)).write_text(text)
    names = unicodedata.normalize("NFC", "file,label\né.csv,a\nb,c\n")
    (tmp_path / "labels.csv").write_text(names, encoding="utf-8")
    assert len(fit_schema(Schema(), tmp_path)[1]) == 2
