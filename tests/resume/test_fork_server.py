"""The process that starts the runs of these tests is replaced if it fails."""

from pathlib import Path

import pytest

from .conftest import Server

FAILS_AT_WAIT = """
import json, os
print(json.dumps({"ready": True}), flush=True)
while "wait" not in json.loads(input()):
    print(json.dumps({"pid": os.getpid()}), flush=True)
"""


def test_a_server_that_failed_is_replaced(tmp_path: Path) -> None:
    program = tmp_path / "server.py"
    program.write_text(FAILS_AT_WAIT)
    server = Server(program)
    try:
        before = server.ask({"arguments": []})["pid"]
        with pytest.raises(AssertionError, match="has ended"):
            server.ask({"wait": 0})
        assert server.ask({"arguments": []})["pid"] != before
    finally:
        server.kill()
