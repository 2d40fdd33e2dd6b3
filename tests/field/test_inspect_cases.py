"""Small files built after public bug reports: `inspect` reads each, or its message helps."""

import re
import shutil
from pathlib import Path

import pytest

from unrolled.cli import run

pytestmark = pytest.mark.usefixtures("unrendered_figures")

FOLDER = Path(__file__).parent / "cases"
# By folder: arguments, exit code, and patterns of the output.
CASES: dict[str, tuple[str, int, list[str]]] = {
    "absolute_timestamp": ("path=data.csv", 0, ["sequences: 40, 8 steps", "features:  1\\n"]),
    "compact_dates": ("path=data.csv", 0, ["median step 1, 0 gaps"]),
    "decimal_comma": ("path=messung.csv", 0, ["features:  2\\n", "angle: -1\\.471 to 1\\.326"]),
    "decimal_comma_few": ("path=messung.csv", 0, ["features:  2\\n"]),
    "epoch_ns": ("path=data.csv", 0, ["median step 100, 0 gaps, 0 repeated"]),
    "float32_offset_csv": ("path=utm.csv", 0, ["too little for float32"]),
    "float32_offset_inspect": (
        "path=utm.csv",
        0,
        ["5819999.8 to 5820000.2", "'northing' has a standard deviation of 0.14", "keeps the diff"],
    ),
    "float32_offset_npz": ("path=utm.npz", 0, ["too little for float32"]),
    "float32_offset_partial": ("path=utm.csv", 0, ["standard deviation of 0.998"]),
    "folder_mac": ("path=d", 0, ["sequences: 2, 2 steps"]),
    "gz": ("path=swings.csv.gz", 0, ["sequences: 60, 8 to 14 steps"]),
    "headerless_csv": ("path=x.csv", 0, ["sequences: 40, 6 steps", "walk 20"]),
    "headerless_long": ("path=x.csv", 0, ["sequences: 40, 8 steps"]),
    "id_filename": ("path=data.csv", 0, ["id 'filename', time 'frame', label 'target'"]),
    "id_user_upper": ("path=data.csv", 0, ["id 'SubjectID', time 'Time', label 'Class'"]),
    "json": ("path=x.json", 3, ["is JSON; save the table as CSV"]),
    "label_None_wide": ("path=falls.csv", 0, ["none 20"]),
    "label_blank_ends": ("path=data.npz", 0, ["a 60 "]),
    "leak_class_name": ("path=data.csv", 0, ["'class_name' is left out", "features:  1\\n"]),
    "mixed_wide": (
        "path=wide.csv",
        0,
        ["sequences: 40, 3 steps", "features:  2\\n", "'age' is left out"],
    ),
    "npz_nan_padded": ("path=data.npz", 0, ["120, 4 to 20 steps"]),
    "repeated_subject_wide": ("path=data.csv", 0, ["sequences: 48, 6 steps", "group: 'subject'"]),
    "rownumber_long": (
        "path=trial.csv id=patient time=visit label=arm",
        0,
        ["'column 1' is left out", "features:  2\\n"],
    ),
    "rownumber_unnamed0": ("path=trial.csv", 0, ["'Unnamed: 0' is left out", "80, 8 steps"]),
    "real_epil": (
        "path=epil.csv id=subject label=trt time=period",
        0,
        ["'column 1' is left out, because it numbers the rows", "features:  6\\n"],
    ),
    "sep_line_excel": ("path=swings.csv", 0, ["sequences: 60, 8 to 14"]),
    "split_column": ("path=data.csv", 0, ["split_column: 'split'", "features:  1\\n"]),
    "tabular_rows": ("path=flowers.csv", 0, ["read as a sequence of 4 steps of one feature"]),
    "time_T_temperature": ("path=data.csv", 0, ["time None", "features:  2\\n"]),
    "ts_label_words": ("path=x.ts", 3, ["line 6: the class 'Walk_up' is not in @classLabel"]),
    "ts_percent": ("path=x_TRAIN.ts", 0, ["sequences: 3, 3 steps"]),
    "unicode_nfd": ("path=swings.csv", 0, ["café 60"]),
    "units_line": ("path=swings.csv", 3, ["line 2"]),
    "utf16": ("path=swings.csv", 0, ["sequences: 60, 8 to 14"]),
    "wide_clock_names": (
        "path=data.csv id=meter label=tariff",
        0,
        ["40, 8 steps", "features:  1\\n"],
    ),
    "wide_month_names": (
        "path=data.csv id=shop label=kind",
        0,
        ["40, 24 steps", "features:  1\\n"],
    ),
    "wide_step_first": ("path=data.csv id=id label=kind", 0, ["40, 5 steps", "features:  2\\n"]),
    "words_missing": ("path=d.csv", 0, ["values are missing", "sequences: 40, 6 steps"]),
    "xlsx": ("path=swings.xlsx", 3, ["is a spreadsheet; export the sheet as CSV"]),
    "xyz_and_label": ("path=data.csv", 0, ["label 'label'", "features:  3\\n"]),
    "xyz_label": ("path=acc.csv", 0, ["label 'activity'", "features:  3\\n"]),
}


def test_every_folder_is_a_case() -> None:
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    assert [path.name for path in FOLDER.iterdir() if f'"{path.name}"' not in tests] == []


@pytest.mark.parametrize("name", CASES)
def test_a_file_from_the_field_is_read_or_refused_with_a_remedy(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, code, patterns = CASES[name]
    shutil.copytree(FOLDER / name, tmp_path / "case")
    monkeypatch.chdir(tmp_path / "case")
    assert run(["inspect", *arguments.split()]) == code
    printed = "".join(capsys.readouterr())
    assert [pattern for pattern in patterns if not re.search(pattern, printed)] == []
