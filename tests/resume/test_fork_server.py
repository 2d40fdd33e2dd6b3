"""The process that starts the runs of these tests is replaced if it fails."""

import pytest

from .conftest import Server


def test_a_server_that_was_killed_is_replaced() -> None:
    server = Server()
    try:
        with pytest.raises(AssertionError, match="has ended"):
            server.ask({"wait": 0})  # no such process: the server fails
        pid = server.ask({"arguments": ["--version"], "output": "/dev/null", "record": "/dev/null"})
        assert server.ask({"wait": pid["pid"]}) == {"code": 0}
    finally:
        server.kill()
