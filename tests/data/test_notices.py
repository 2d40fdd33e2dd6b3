"""What is detected in a CSV file and unusual is reported in one line, by `inspect` and `train`."""

import codecs
import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from unrolled.cli import run
from unrolled.data.files.opening import open_bytes
from unrolled.data.files.reader import fit_schema
from unrolled.data.files.schema import Schema
from unrolled.errors import DataError

ROWS = "x_0,x_1,label\n1.5,2,a\n3,4.5,b\n"
FILES: dict[str, tuple[str, bytes, str]] = {
    "separator": ("x.csv", ROWS.replace(",", ";").encode(), "columns separated by ';'"),
    "blanks": (
        "x.txt",
        b"1.5 2 0\n3 4.5 1\n2.5 1 1\n",
        "columns separated by blanks; no line",
    ),
    "decimal comma": (
        "x.csv",
        ROWS.replace(",", ";").replace(".", ",").encode(),
        "columns separated by ';'; decimal comma",
    ),
    "no header": ("x.csv", b"1.5,2,a\n3,4.5,b\n1,0.5,a\n", "no line with names, so columns are"),
    "encoding": ("x.csv", codecs.BOM_UTF16_LE + ROWS.encode("utf-16-le"), "text in UTF-16"),
}
USUAL = {"commas": ("x.csv", ROWS), "tabs": ("x.tsv", ROWS.replace(",", "\t"))}


def schema_for(text: bytes) -> Schema:
    return Schema() if b"l" in text else Schema(label="column 3")


@pytest.mark.parametrize(("name", "content", "notice"), FILES.values(), ids=FILES)
def test_training_reports_what_is_unusual(
    name: str, content: bytes, notice: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / name).write_bytes(content)
    with caplog.at_level(logging.INFO):
        fit_schema(schema_for(content), tmp_path / name)
    assert f"{name}: detected {notice}" in caplog.text


@pytest.mark.parametrize(("name", "text"), USUAL.values(), ids=USUAL)
def test_a_usual_file_needs_no_notice(
    name: str, text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / name).write_text(text)
    with caplog.at_level(logging.INFO):
        fit_schema(Schema(), tmp_path / name)
    assert caplog.text == ""


def test_what_is_typed_is_not_detected(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "x.csv").write_text(ROWS.replace(",", ";"))
    with caplog.at_level(logging.INFO):
        fit_schema(Schema(separator=";"), tmp_path / "x.csv")
    assert caplog.text == ""


@pytest.mark.parametrize("first", ["größe", "caf\xe9", "\xe9", "x_0"])
@pytest.mark.parametrize("suffix", ["csv", "ts"])
def test_text_in_cp1252_is_read_with_a_notice(
    first: str, suffix: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = f"{first},x_1,label\n1,2,ä\n3,4,“b”\n"
    if suffix == "ts":
        text = f"# {first}\n@classLabel true ä “b”\n@data\n1,2:ä\n3,4:“b”\n"
    path = tmp_path / f"x.{suffix}"
    path.write_bytes(text.encode("cp1252"))
    with caplog.at_level(logging.INFO):
        recordings = fit_schema(Schema(), path)[1]
    assert recordings.labels == ["ä", "“b”"]
    assert [record.getMessage() for record in caplog.records] == [
        f"x.{suffix}: detected text in cp1252"
    ]


@pytest.mark.parametrize("num_bytes", [1, 7, 2**16])
def test_the_encoding_does_not_depend_on_how_much_is_read_at_once(
    num_bytes: int, tmp_path: Path
) -> None:
    text = "x,label\n1,ä\n2,€\n3,漢\n4,é"
    for name, encoding in (("u", "utf-8"), ("c", "cp1252"), ("w", "utf-16")):
        (tmp_path / name).write_bytes(text.replace("漢", "ß").encode(encoding))
        with open_bytes(tmp_path / name) as file:
            found = b"".join(iter(lambda file=file: file.read(num_bytes), b""))
        assert found.decode("utf-8") == text.replace("漢", "ß")


def test_damaged_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    content = "größe,x_1,label\n1,2,a\n3,4,bü\n".encode().replace(b"\xc3\xbc", b"\xbc")
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.csv, line 3: not UTF-8 text"):
        fit_schema(Schema(), tmp_path / "x.csv")


@pytest.mark.usefixtures("unrendered_figures")
def test_inspect_prints_what_is_unusual(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.csv").write_text(ROWS.replace(",", ";"))
    assert run(["inspect", "path=x.csv"]) == 0
    assert "detected:  columns separated by ';'\n" in capsys.readouterr().out


def test_a_notice_before_an_error_is_logged_once(
    tmp_path: Path, train_in: Callable[..., SimpleNamespace], caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "x.csv"
    path.write_text("id;x;label\n1;oops;a\n1;2;a\n2;3;b\n2;4;b\n")
    with caplog.at_level(logging.INFO), pytest.raises(DataError, match="oops"):
        train_in("data=files", f"data.path={path}", "data.id=id", "data.label=label")
    assert caplog.text.count("detected columns separated by ';'") == 1
