"""A profiler with a short table: the calls that took the most time."""

from lightning.pytorch.profilers import SimpleProfiler


class LongestCalls(SimpleProfiler):
    """Measures every hook and loop of Lightning, and prints the longest.

    max_rows: rows of the table, >= 1.
    """

    def __init__(self, *, max_rows: int) -> None:
        super().__init__()
        if max_rows < 1:
            raise ValueError(f"need trainer.profiler.max_rows >= 1, got {max_rows}")
        self.max_rows = max_rows

    def describe(self) -> None:
        """Print the table, and start a new one: the test has its own."""
        super().describe()
        self.recorded_durations.clear()

    def summary(self) -> str:
        """Return the table. An inner call counts in the outer one too, so rows overlap."""
        calls = sorted(self.recorded_durations.items(), key=lambda call: -sum(call[1]))
        lines = [f"{'total':>10}  {'calls':>7}  {'mean':>10}  call"]
        for name, seconds in calls[: self.max_rows]:
            total, mean = sum(seconds), sum(seconds) / len(seconds)
            lines.append(f"{total:8.3f} s  {len(seconds):7d}  {1000 * mean:7.3f} ms  {name}")
        if len(calls) > self.max_rows:
            lines.append(f"{len(calls) - self.max_rows} shorter calls are not shown")
        return "\n".join(["profile", *lines])
