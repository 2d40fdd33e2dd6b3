"""How a run ended and what it scored: the content of result.json."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Best:
    """When the monitored score was best; value, epoch and step are None before the first score.

    monitor: name of the score, for example val/loss.
    epoch: counted from 0.
    step: optimizer steps done by then.
    """

    monitor: str
    value: float | None = None
    epoch: int | None = None
    step: int | None = None


@dataclass
class Result:
    """The result of a run. A field is None or empty if the run failed before it was known.

    state: done, failed or interrupted.
    exit_code: of the command line; see `unrolled.errors`.
    error: why the run is not done.
    stopped_by: why training ended before trainer.max_epochs and trainer.max_steps, for example
        "trainer.max_time=00:01:00:00 reached".
    scores: of the best epoch, by name (val/loss); a value that was not finite is None.
    selection: how the best epoch was chosen, if not by `best.monitor`.
    confusion: counts on the test set, a row per true class.
    baselines: test accuracy of predictors without a training loop, by name.
    baseline_seconds: CPU time of the ones that were fitted (1-NN, MiniRocket), by name.
    num_sequences: per split.
    seconds: total, fit (training and validation) and test.
    """

    state: str = "failed"
    exit_code: int = 1
    error: str | None = None
    stopped_by: str | None = None
    seed: int | None = None
    config_hash: str | None = None
    data_fingerprint: str | None = None
    scores: dict[str, float | None] = field(default_factory=dict)
    best: Best | None = None
    selection: str | None = None
    confusion: list[list[int]] | None = None
    baselines: dict[str, float] = field(default_factory=dict)
    baseline_seconds: dict[str, float] = field(default_factory=dict)
    num_parameters: int | None = None
    num_sequences: dict[str, int] = field(default_factory=dict)
    num_epochs: int | None = None
    num_steps: int | None = None
    sequences_per_second: float | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def best_value(self) -> float | None:
        """The best value of the monitored score."""
        return None if self.best is None else self.best.value

    def to_json(self) -> dict[str, Any]:
        """Return plain values for result.json."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Result":
        """Return the result that `to_json` wrote."""
        best = values["best"]
        return cls(**{**values, "best": None if best is None else Best(**best)})
