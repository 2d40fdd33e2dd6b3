"""A trained run is loaded and applied without the libraries that train it."""

import subprocess
import sys
from types import SimpleNamespace

LIBRARIES = ["lightning", "torchmetrics", "hydra", "sklearn", "matplotlib", "pandas", "scipy"]
LIBRARIES += ["torch._dynamo", "sympy"]  # torch's compiler takes longer to import than torch
CODE = f"""
import sys
import numpy
import unrolled.prediction
unrolled.load(sys.argv[1]).predict(numpy.zeros((2, 8, 8), dtype=numpy.float32))
print([name for name in {LIBRARIES} if name in sys.modules])
"""


def test_load_and_predict_import_no_library_for_training(tiny_run: SimpleNamespace) -> None:
    command = [sys.executable, "-c", CODE, str(tiny_run.folder.path)]

    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
