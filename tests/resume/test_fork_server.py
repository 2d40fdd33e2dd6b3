"""The process that starts the runs of these tests is replaced if it fails or is out of step."""

import os
from pathlib import Path

import pytest

from .conftest import SMALL, Server

ECHO = """
import json, sys
print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    if "fail" in json.loads(line):
        sys.exit(1)
    print(line, end="", flush=True)
"""


def test_a_server_that_has_ended_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "echo.py").write_text(ECHO)
    server = Server(tmp_path / "echo.py")
    try:
        assert server.ask({"number": 1}) == {"number": 1}
        with pytest.raises(AssertionError, match="has ended"):
            server.ask({"fail": True})
        assert server.ask({"number": 2}) == {"number": 2}
    finally:
        server.kill()


def test_after_a_late_answer_the_server_and_its_runs_are_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def time_out() -> None:
        raise TimeoutError

    os.mkfifo(tmp_path / "output")  # is read to its end when no process has it open for writing
    server = Server()
    try:
        hang = {"at": "batch_end", "epoch": 0, "batch": 2, "do": "hang"}
        files = {"output": f"{tmp_path}/output", "record": f"{tmp_path}/record.jsonl"}
        arguments = ["train", *SMALL, f"hydra.run.dir={tmp_path}/run"]
        server.ask({"arguments": arguments, "faults": [hang], **files})
        with (tmp_path / "output").open() as output:
            while "parameters" not in output.readline():
                pass
            with monkeypatch.context() as patch:
                patch.setattr(server, "_read", time_out)
                with pytest.raises(TimeoutError):
                    server.ask({**files, "arguments": ["--version"], "output": "/dev/null"})

            pid = server.ask({**files, "arguments": ["--wrong"], "output": "/dev/null"})["pid"]

            assert server.ask({"wait": pid}) == {"code": 2}, "the answer to its own request"
            output.read()  # ends, because the run has been ended
    finally:
        server.kill()
