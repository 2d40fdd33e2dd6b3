"""A command ends, without a traceback, whatever is going on when it should."""

import faulthandler
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import compose
from unrolled import cli
from unrolled.data.sources.digits import Digits
from unrolled.errors import DataError
from unrolled.runs.run_folder import RunFolder
from unrolled.training import experiment


def test_a_source_that_hangs_is_watched_while_it_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alarms: list[float | None] = []
    monkeypatch.setattr(
        faulthandler, "dump_traceback_later", lambda seconds, **_: alarms.append(seconds)
    )
    monkeypatch.setattr(faulthandler, "cancel_dump_traceback_later", lambda: alarms.append(None))

    def load(self: Digits) -> None:
        assert alarms == [120.0]
        raise DataError("read")

    monkeypatch.setattr(Digits, "load", load)
    config = compose("callbacks.watchdog.minutes=2", "trainer=cpu")

    with pytest.raises(DataError, match="read"):
        experiment.train(config, RunFolder(tmp_path / "run"), overrides=[])
    assert alarms[1:] == [None]


def test_a_thread_that_never_ends_does_not_keep_the_process_alive() -> None:
    code = (
        "import sys, threading\n"
        "from unrolled import cli\n"
        "cli.SECONDS_FOR_THREADS = 0.1\n"
        "threading.Thread(target=threading.Event().wait, name='mine').start()\n"
        "sys.argv = ['unrolled', 'trian']\n"
        "cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "ends without waiting for the threads mine" in done.stderr


def test_an_interrupt_during_imports_leaves_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib, "import_module", interrupted)
    assert cli.run(["train"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_the_command_line_itself_imports_almost_nothing() -> None:
    slow = "{'omegaconf', 'hydra', 'yaml', 'torch'}"
    code = f"import sys, unrolled.cli; sys.exit(bool({slow} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
