"""Arguments reach a run as typed: column names may contain any character."""

from typing import Any

import pytest

from conftest import compose
from unrolled.cli import COMMANDS, run
from unrolled.commands.arguments import quote_names

LISTS: dict[str, list[str]] = {
    "[a,b]": ["a", "b"],
    "[größe, wind]": ["größe", "wind"],
    "größe": ["größe"],
    "['Größe, in cm',wind]": ["Größe, in cm", "wind"],
    '["Größe, in cm",wind]': ["Größe, in cm", "wind"],
    "[it's,a = b,x~]": ["it's", "a = b", "x~"],
    "[1,2.5]": ["1", "2.5"],
}


@pytest.mark.parametrize("key", ["data.features", "data.categorical"])
@pytest.mark.parametrize(("typed", "meant"), LISTS.items(), ids=LISTS)
def test_names_in_a_list_of_columns_are_unchanged(key: str, typed: str, meant: list[str]) -> None:
    config: Any = compose("data=files", *quote_names([f"{key}={typed}"]))
    assert list(config.data[key.removeprefix("data.")]) == meant


@pytest.mark.parametrize("typed", ["null", "[]", "[a],[b,c]"])
def test_null_empty_and_several_lists_are_passed_to_hydra_unchanged(typed: str) -> None:
    assert quote_names([f"data.features={typed}"]) == [f"data.features={typed}"]


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "train"])
def test_the_help_of_a_command_names_it(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "--help"]) == 0
    assert f"unrolled {command}" in capsys.readouterr().out


def test_a_mistyped_run_is_refused_with_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", "run=latets"]) == 4
    assert (
        "run=latets: the folder does not exist; did you mean 'latest'?" in capsys.readouterr().err
    )


def test_a_config_in_the_working_folder_is_suggested(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_data.yaml").write_text("defaults:\n- files\n- _self_\npath: x.csv\n")
    (tmp_path / "other.yaml").write_text("a: 1\n")
    assert run(["train", "data=my_dat"]) == 2
    error = capsys.readouterr().err
    assert "did you mean 'my_data'?" in error
    assert "other" not in error
