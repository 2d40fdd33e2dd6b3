"""`unrolled explain` on runs of every kind, and its sections of the page."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import unrolled
from unrolled.building.network import trained_model
from unrolled.cli import run
from unrolled.errors import ConfigError
from unrolled.explaining.explanation import Explanation, read_explanation
from unrolled.explaining.measuring import explain
from unrolled.explaining.subject import load_subject
from unrolled.reports.pages.explained import explained_sections
from unrolled.reports.pages.figures import Figures
from unrolled.runs.run_folder import RunFolder

FEW = {"num_sequences": 6, "num_positions": 3, "num_examples": 1}


def explained(path: Path, *, split: str | None = None) -> Explanation:
    return explain(RunFolder(path), split=split, **FEW)


@pytest.mark.usefixtures("undrawn_pages")
def test_the_command_writes_the_measures_and_the_page(
    tiny_run: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(tiny_run.folder.path, tmp_path / "run")

    code = run(["explain", f"run={tmp_path / 'run'}", "num_sequences=9", "num_examples=2"])

    assert code == 0
    found = read_explanation(RunFolder(tmp_path / "run"))
    assert found is not None
    assert (found.split, found.num_sequences, len(found.examples)) == ("val", 9, 2)
    assert found.gradients is not None
    assert len(found.gradients.after) == 8  # steps of digits
    assert [one.name for one in found.saturation] == [
        *("input gate", "forget gate", "output gate", "cell")
    ]
    output = capsys.readouterr().out
    assert "95 % of the final accuracy" in output
    assert "no eigenvalues: LSTM" in output
    page = (tmp_path / "run/report.html").read_text()
    for title in ("Memory", "Saturation", "Early decision", "Steps that matter"):
        assert f"<h2>{title}</h2>" in page


def test_the_final_accuracy_is_the_one_of_the_run(tiny_run: SimpleNamespace) -> None:
    found = explain(
        tiny_run.folder, split="val", num_sequences=10**6, num_positions=2, num_examples=0
    )

    assert found.early is not None
    assert found.early.accuracy[-1] == pytest.approx(tiny_run.record["scores"]["val/accuracy"])


def test_the_weights_before_training_are_the_ones_of_the_run(
    train_in: Callable[..., SimpleNamespace],
) -> None:
    done = train_in("model.hidden_size=4", "trainer.max_steps=1", "optimizer.lr=1e-30", "seed=7")
    folder: RunFolder = done.folder

    fresh = load_subject(folder, split=None, num_sequences=2).fresh

    trained = trained_model(folder.config(), folder.preprocessing(), folder.best_state_dict())
    assert fresh is not None
    for ours, theirs in zip(fresh.parameters(), trained.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


FORWARD = "data.missing=forward"
CASES = {
    "ragged": (("model=rnn", "data.missing=mask"), {"integrated gradients"}),
    "stem": (
        ("model=gru", "stem=conv", "stem.channels=4", "stem.stride=2", "stem.pool=1", FORWARD),
        {"eigenvalues", "integrated gradients"},
    ),
    "channels": (
        ("model=lru", "data.per_sequence=true", "data.differences=true", FORWARD),
        {"saturation", "integrated gradients"},
    ),
    "windows": (
        ("model=s4d", "data.window.size=3", "data.window.stride=2", FORWARD),
        {"saturation", "integrated gradients"},
    ),
    "ensemble": (
        ("ensemble=[minirocket,indrnn]", FORWARD),
        {"saturation", "integrated gradients"},
    ),
    "minirocket": (
        ("model=minirocket", "recipe=own", FORWARD),
        {"gradients at the state", "saturation", "eigenvalues", "integrated gradients"},
    ),
}


SLOW = ("channels", "windows", "ensemble")


@pytest.mark.parametrize(
    ("overrides", "skipped"),
    [
        pytest.param(*case, id=name, marks=[pytest.mark.slow] if name in SLOW else [])
        for name, case in CASES.items()
    ],
)
def test_runs_of_every_kind_are_measured(
    overrides: tuple[str, ...],
    skipped: set[str],
    train_ragged: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("unrolled.explaining.measuring.is_installed", lambda: False)
    path = train_ragged(*overrides)

    found = explained(path)

    assert found.skipped.keys() == skipped
    assert found.split == "train"  # there is no validation set
    assert found.early is not None
    assert found.forgetting is not None
    assert found.forgetting.change[0] > 0 or found.model == "MiniRocket"
    assert len(found.examples) == 1
    if found.gradients is not None:
        assert len(found.gradients.after) == len(found.gradients.before)
        assert all(value >= 0 for value in found.gradients.after)
    assert ("ensemble" in " ".join(found.notes)) == overrides[0].startswith("ensemble")
    assert (found.steps_per_state > 1) == ("stem=conv" in overrides)


def test_prefixes_of_a_sequence_do_not_know_its_end(train_ragged: Callable[..., Path]) -> None:
    """Channels of whole sequences are computed from the prefix alone."""
    path = train_ragged("model=rnn", "data.per_sequence=true", "data.missing=forward")
    subject = load_subject(RunFolder(path), split=None, num_sequences=4)
    x, lengths = subject.sequences.x, torch.full((4,), 2)
    other = x.clone()
    other[:, 2:] += 100

    assert subject.channels is not None
    torch.testing.assert_close(subject.classify(x, lengths), subject.classify(other, lengths))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["num_sequences=0"], "num_sequences=0: need a whole number >= 1"),
        (["split=vla"], "did you mean 'val'?"),
        (["num_sequence=3"], "did you mean 'num_sequences'?"),
    ],
)
def test_wrong_settings_are_refused_with_a_suggestion(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["explain", "run=latest", *words]) == 2
    assert message in capsys.readouterr().err


def test_arrays_are_refused_for_a_run_that_was_trained_on_none(tiny_run: SimpleNamespace) -> None:
    with pytest.raises(ConfigError, match="was not trained on arrays; leave out data="):
        unrolled.explain(tiny_run.folder.path, data=([[1.0]], ["a"]))


def test_a_set_that_does_not_exist_is_named(train_ragged: Callable[..., Path]) -> None:
    with pytest.raises(Exception, match="split=val: the run has no such set"):
        explained(train_ragged("model=rnn", "data.missing=mask"), split="val")


def test_a_page_survives_damaged_and_infinite_measures(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert list(explained_sections(Figures(tmp_path), folder)) == []
    (tmp_path / "explain.json").write_text('{"split": 3}')
    (section,) = explained_sections(Figures(tmp_path), folder)
    assert "explain.json is damaged" in section.notes[0]
    values = {
        "split": "val",
        "noun": "sequences",
        "num_sequences": 1,
        "model": "<b>$x$",
        "steps_per_state": 1.0,
        "saturation": [],
        "forgetting": None,
        "early": None,
        "gradients": {"before": [None, 0.0], "after": [None, None], "num_sequences": 1},
        "eigenvalues": [{"real": [2.0, 0.0], "imaginary": [0.0, 0.0]}],
        "examples": [],
        "skipped": {"a": "<script>"},
        "notes": [],
    }
    (tmp_path / "explain.json").write_text(json.dumps(values))

    (section,) = explained_sections(Figures(tmp_path), folder)

    assert any("1 of 2 do not decay" in note for note in section.notes)
    assert len(section.pictures) == 3


def test_a_resumed_run_forgets_its_measures(tmp_path: Path) -> None:
    (tmp_path / "explain.json").write_text("{}")

    RunFolder(tmp_path).remove_result()

    assert not (tmp_path / "explain.json").exists()
