"""A training step calls few Python functions: they are counted, because time is noisy."""

from pathlib import Path
from typing import Any

# Python functions in a step of experiment=tutorial_random, torch's and Lightning's included: 2,138
MAX_CALLS = 2170


def test_a_step_calls_few_functions_besides_its_arithmetic(server: Any, tmp_path: Path) -> None:
    script, output = Path(__file__).with_name("count_calls.py"), tmp_path / "output.txt"

    pid = server.ask({"script": str(script), "output": str(output)})["pid"]

    assert server.ask({"wait": pid}) == {"code": 0}, output.read_text()
    counts = [int(count) for count in output.read_text().splitlines()[-1].split()]
    assert len(counts) == 18
    assert max(counts) <= MAX_CALLS
