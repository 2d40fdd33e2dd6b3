"""A training step calls few Python functions: they are counted, because time is noisy."""

import subprocess
import sys
from pathlib import Path

# Python functions in a step of experiment=tutorial_random, torch's and Lightning's included: 2,039
MAX_CALLS = 2100


def test_a_step_calls_few_functions_besides_its_arithmetic() -> None:
    script = Path(__file__).with_name("count_calls.py")
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    counts = [int(count) for count in done.stdout.splitlines()[-1].split()]
    assert len(counts) == 18
    assert max(counts) <= MAX_CALLS
