"""A resumed run computes its encoder with the code that it started with."""

import pytest
import torch

from unrolled.callbacks import exact_resume
from unrolled.training import experiment


@pytest.mark.parametrize(
    ("auto", "has_native", "expected"),
    [("native", True, "native"), ("torch", True, "native"), ("native", False, "torch")],
)
def test_resume_uses_the_recorded_kernel_or_warns(
    auto, has_native, expected, train_in, monkeypatch, caplog
):
    def resolve(kernel: str, cell: str, device: torch.device) -> str:
        """Return what this machine would use."""
        wanted = auto if kernel == "auto" else kernel
        return wanted if has_native else "torch"

    kinds = {"num_train": 8, "num_val": 4, "num_test": 4}
    sizes = [f"data.source.{name}={number}" for name, number in kinds.items()]
    run = train_in(
        *("data=random", "model=gru", "model.hidden_size=4", "model.kernel=auto"),
        *("trainer.max_epochs=1", *sizes),
    )
    path = run.folder.last_checkpoint
    checkpoint = torch.load(path, weights_only=True)
    assert checkpoint[exact_resume.KEY]["kernel"] == run.record["kernel"]

    checkpoint[exact_resume.KEY]["kernel"] = "native"
    torch.save(checkpoint, path)
    monkeypatch.setattr("unrolled.encoders.blocks.stacked.resolve", resolve)
    longer = run.config.copy()
    longer.trainer.max_epochs = 2
    result = experiment.resume(longer, run.folder, overrides=[])
    assert result.kernel == expected
    assert ("which this machine does not have" in caplog.text) == (not has_native)
