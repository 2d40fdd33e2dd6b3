"""The process that starts the runs of these tests is replaced if it fails or is out of step."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Server

# Answers with the request. A run of it is a fork that keeps a file open and does not end.
ECHO = """
import json, os, sys, time
print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    if "fail" in request:
        sys.exit(1)
    if "run" in request and os.fork() == 0:
        with open(request["run"], "w") as output:
            print("started", file=output, flush=True)
            time.sleep(3600)
    print(line, end="", flush=True)
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "echo.py").write_text(ECHO)
    server = Server(tmp_path / "echo.py")
    yield server
    server.kill()


def test_a_server_that_has_ended_is_replaced(server: Server) -> None:
    assert server.ask({"number": 1}) == {"number": 1}
    with pytest.raises(AssertionError, match="has ended"):
        server.ask({"fail": True})
    assert server.ask({"number": 2}) == {"number": 2}


def test_after_a_late_answer_the_server_and_its_runs_are_replaced(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def time_out() -> None:
        raise TimeoutError

    os.mkfifo(tmp_path / "output")  # is read to its end when no process has it open for writing
    server.ask({"run": str(tmp_path / "output")})
    with (tmp_path / "output").open() as output:
        assert output.readline() == "started\n"
        with monkeypatch.context() as patch:
            patch.setattr(server, "_read", time_out)
            with pytest.raises(TimeoutError):
                server.ask({"number": 1})

        assert server.ask({"number": 2}) == {"number": 2}, "the answer to its own request"
        assert not output.read(), "ends, because the run has been ended"
