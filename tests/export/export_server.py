"""The fork server, in a process that has exported a graph: an export then costs half the time."""

import sys
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1] / "resume"))

import fork_server


def main() -> None:
    """Load what the exporter needs, and serve."""
    arguments = (torch.zeros(2, 3),)
    program = torch.onnx.export(nn.Linear(3, 2), arguments, dynamo=True, verbose=False)
    assert program is not None
    program.model_proto.SerializeToString()
    fork_server.main()


if __name__ == "__main__":
    main()
