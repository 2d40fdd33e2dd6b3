"""Values of ${oc.env:NAME} are in no file and in no message; the files of a run are private."""

import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from unrolled import masking
from unrolled.cli import run
from unrolled.config.values import job_name, resolve, resolve_for_file
from unrolled.errors import ConfigError
from unrolled.runs.json_file import read_json, write_json
from unrolled.runs.provenance import provenance

SECRET = "s3cr3t/<&'\"pass+word"  # every kind of file would write it in another form
PARTS = ("s3cr3t", "pass+word", "pass%2Bword")

LEAKY = """
import logging
from lightning import Callback

class Notifier(Callback):
    def __init__(self, *, token, fails):
        self.token, self.fails = token, fails

    def on_fit_start(self, trainer, pl_module):
        logging.getLogger("leaky").warning("log in with %s", self.token)

    def on_train_end(self, trainer, pl_module):
        if self.fails:
            raise RuntimeError(f"no account has the token {self.token!r}")
"""
SETTINGS = (
    "allow=leaky",
    "data=files",
    "data.path=data.npz",
    "recipe=own",
    "model=gru",
    "model.hidden_size=4",
    "trainer.max_epochs=1",
    "+callbacks.notifier._target_=leaky.Notifier",
    "+callbacks.notifier.token=${oc.env:LEAKY_TOKEN}",
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder with data, and a callback that logs a secret and fails with it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("LEAKY_TOKEN", SECRET)
    monkeypatch.setenv("PL_GLOBAL_SEED", SECRET)
    (tmp_path / "leaky.py").write_text(LEAKY)
    x = np.random.default_rng(0).normal(size=(24, 5, 2)).astype(np.float32)
    np.savez(tmp_path / "data.npz", x=x, y=np.arange(24) % 2)
    yield tmp_path
    sys.modules.pop("leaky", None)
    masking.forget()


def places_of_the_secret(folder: Path) -> list[str]:
    """Return the files whose name or content has a part of the secret."""
    return [
        str(path)
        for path in folder.rglob("*")
        if any(part in str(path) for part in PARTS)
        or (path.is_file() and any(part.encode() in path.read_bytes() for part in PARTS))
    ]


@pytest.mark.acceptance("A31")
def test_a_secret_is_in_no_file_and_no_message_of_any_command(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fine, fails = "+callbacks.notifier.fails=false", "+callbacks.notifier.fails=true"
    ran = ["allow=leaky", "run=run"]

    assert run(["train", *SETTINGS, fine, "hydra.run.dir=run"]) == 0
    assert run(["resume", *ran, "trainer.max_epochs=2"]) == 0
    assert run(["evaluate", *ran]) == 0
    assert run(["evaluate", *ran, "input=data.npz", "output=mistakes.csv"]) == 0
    assert run(["predict", *ran, "input=data.npz", "output=predictions.csv"]) == 0
    assert run(["train", *SETTINGS, fails, "hydra.run.dir=failed"]) == 1
    swept = [*SETTINGS[:-1], "+callbacks.notifier.token=${oc.env:LEAKY_TOKEN},none", fails]
    assert run(["train", "-m", *swept, "hydra.sweep.dir=sweep"]) == 1
    assert run(["report", "sweep"]) == 0
    assert run(["report", "run"]) == 0
    assert run(["list", "root=."]) == 0

    text = "".join(capsys.readouterr())
    assert "no account has the token" in (folder / "sweep/sweep.md").read_text()
    assert "no account has the token" in (folder / "sweep/report.html").read_text()
    assert "no account has the token" in text
    assert not [part for part in PARTS if part in text]
    assert places_of_the_secret(folder) == []
    assert "token: ${oc.env:LEAKY_TOKEN}" in (folder / "run/config.yaml").read_text()

    monkeypatch.delenv("LEAKY_TOKEN")
    assert run(["resume", *ran, "trainer.max_epochs=3"]) == 2
    assert "'LEAKY_TOKEN' not found" in capsys.readouterr().err


@pytest.mark.acceptance("A31")
def test_other_users_cannot_read_the_files_of_a_run(folder: Path) -> None:
    words = [*SETTINGS, "+callbacks.notifier.fails=false"]

    assert run(["train", "-m", *words, "hydra.sweep.dir=sweep"]) == 0

    files = [path for path in (folder / "sweep").rglob("*") if path.is_file()]
    assert {"config.yaml", "result.json", "train.log", "hydra.yaml", "multirun.yaml"} <= {
        path.name for path in files
    }
    assert [path for path in files if stat.S_IMODE(path.stat().st_mode) != 0o600] == []
    assert stat.S_IMODE((folder / "sweep").stat().st_mode) & 0o055 == 0o055, "the folder is not"


@pytest.mark.parametrize(
    ("value", "text", "expected"),
    [
        ("long secret value", "xlong secret valuex", "x${oc.env:NAME}x"),
        ("line one\nline two 2", "only line two 2", "only ${oc.env:NAME}"),
        ("short", "short, shortest", "${oc.env:NAME}, shortest"),
        ("12345678", "12345678 0.12345678 912345678", "${oc.env:NAME} 0.12345678 912345678"),
        ("abc", "abc", "abc"),
        ("/tmp", "/tmp/a", "/tmp/a"),
    ],
)
def test_masked_values(value: str, text: str, expected: str) -> None:
    masking.remember("NAME", value)
    try:
        assert masking.mask(text) == expected
    finally:
        masking.forget()


def test_json_stays_json(tmp_path: Path) -> None:
    masking.remember("NAME", "12345678")
    try:
        write_json(tmp_path / "a.json", {"number": 12345678, "text": "is 12345678"})
    finally:
        masking.forget()
    assert read_json(tmp_path / "a.json") == {"number": 12345678, "text": "is ${oc.env:NAME}"}


@pytest.mark.parametrize(
    "text",
    [
        "${oc.env:NAME}",
        "${oc.env:NAME,default}",
        "${oc.env:NAME,'it''s: a, b}'}".replace("''", r"\'"),
        "${oc.env:NAME,null}",
        "${oc.decode:${oc.env:NAME}}",
        "a ${oc.env:NAME} b",
    ],
)
def test_a_reference_survives_a_file(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = OmegaConf.create({"a": text})
    monkeypatch.delenv("NAME", raising=False)
    without = None if "default" in text or "null" in text or "it" in text else "17"
    if without:
        monkeypatch.setenv("NAME", without)
    before = config.a

    again = OmegaConf.create(resolve_for_file(config))

    assert "oc.env:NAME" in resolve(config)["a"]
    assert again.a == before


def test_the_name_of_a_job_has_no_secret() -> None:
    masking.remember("NAME", "hunter2hunter2")
    try:
        assert "hunter2" not in job_name("model=gru,+x=hunter2hunter2")
    finally:
        masking.forget()


def test_the_diff_is_stored_on_request_and_its_hash_always() -> None:
    git = provenance([], with_diff=False)["git"]

    assert git.keys() == {"commit", "diff_sha256"}
    assert provenance([], with_diff=True)["git"].keys() == {*git, "diff"}


def test_a_copy_of_environment_variables_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["train", "hydra.job.env_copy=[LEAKY_TOKEN]"]) == ConfigError.exit_code
    assert "hydra.job.env_copy" in capsys.readouterr().err


def test_a_resolved_config_is_printed_without_secrets(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        run(["train", "+data.recipe.token=${oc.env:LEAKY_TOKEN}", "--cfg", "job", "--resolve"]) == 0
    )

    text = capsys.readouterr().out
    assert "token: ${oc.env:LEAKY_TOKEN}" in text
    assert not [part for part in PARTS if part in text]
