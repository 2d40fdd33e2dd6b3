"""A step of training does little beside its arithmetic: counted, since time is noise."""

import subprocess
import sys
from pathlib import Path

from conftest import compose
from unrolled.runs.run_folder import RunFolder
from unrolled.training import trainer

# Python functions in a step of experiment=tutorial_random, torch's included (1,946 without shorten)
MAX_CALLS = 1150


def test_a_step_calls_few_functions_beside_its_arithmetic():
    script = Path(__file__).with_name("count_calls.py")
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    counts = [int(count) for count in done.stdout.splitlines()[-1].split()]
    assert len(counts) == 18
    assert max(counts) <= MAX_CALLS


def test_hooks_that_somebody_wrote_stay(tmp_path):
    run = trainer.build(compose("experiment=tutorial_random"), RunFolder(tmp_path))
    assert callable(run.throughput.on_train_batch_end)
    assert run.throughput.on_before_backward is None
    assert run.classifier.on_after_backward is None
