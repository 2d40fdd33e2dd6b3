"""Files of options that are damaged, hostile or no files get a plain message and exit code 2."""

import os
from pathlib import Path

import pytest

from test_hostile_run_folder import BOMB
from unrolled.cli import run
from unrolled.config import plain_yaml

HOSTILE = {
    "an alias bomb": BOMB,
    "an alias of itself": "a: &a\n  b: *a\n",
    "deep nesting": "[" * 200_000,  # from about 20,000 on, the loader in C ends the process
    "deep nesting in lines": "- " * 20_000,
    "no YAML": "a: [1",
    "a huge file": "# " + "x" * plain_yaml.LARGEST,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=list(HOSTILE))
def test_a_hostile_file_of_options_is_named(
    text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "more/model").mkdir(parents=True)
    for name in ("mine.yaml", "more/model/other.yaml", "best.yaml"):
        Path(name).write_text(text)

    for words, name in (
        (["train", "data=mine"], "mine.yaml"),
        (["train", "model=mine"], "mine.yaml"),
        (["check", "model=mine"], "mine.yaml"),
        (["train", "-m", "model=lstm,mine"], "mine.yaml"),
        (["train", "--config-dir=more", "model=other"], "other.yaml"),
        (["train", f"hydra.searchpath=[file://{tmp_path}/more]", "model=other"], "other.yaml"),
        (["train", "from=best.yaml"], "best.yaml"),
    ):
        assert run(words) == 2, words
        message = capsys.readouterr().err
        assert f"{name} cannot be read: " in message, words
        assert len(message) < 600


def test_files_that_are_no_options_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.yaml")
    Path("folder.yaml").mkdir()
    Path("good.yaml").write_text("_target_: torch.nn.GRU\nhidden_size: &size 3\nnum_layers: 1\n")

    for name in ("pipe", "folder", "goood"):
        assert run(["train", f"model={name}"]) == 2
        message = capsys.readouterr().err
        assert f"model={name}: no such option" in message
        assert ", good" in message


def test_an_alias_is_a_copy() -> None:
    assert plain_yaml.parse_plain("a: &a [1]\nb: *a\n") == {"a": [1], "b": [1]}
