"""Lightning's simple profiler with a table that fits a screen."""

from lightning.pytorch.profilers import SimpleProfiler


class ShortProfiler(SimpleProfiler):
    """Measures each action of the Trainer and reports those that took longest in total.

    num_rows: rows of the table, >= 1.
    """

    def __init__(self, *, num_rows: int) -> None:
        super().__init__()
        if num_rows < 1:
            raise ValueError(f"need num_rows >= 1, got num_rows={num_rows}")
        self.num_rows = num_rows

    def summary(self) -> str:
        """Return the table: total seconds, calls, milliseconds per call and name of each action."""
        durations = self.recorded_durations
        longest = sorted(durations, key=lambda name: sum(durations[name]), reverse=True)
        shown = longest[: self.num_rows]
        lines = [
            f"profile: the {len(shown)} longest of {len(longest)} actions (some contain others)",
            f"{'seconds':>9} {'calls':>7} {'ms/call':>9}  action",
        ]
        for name in shown:
            seconds, calls = sum(durations[name]), len(durations[name])
            lines.append(f"{seconds:9.3f} {calls:7d} {1000 * seconds / calls:9.3f}  {name}")
        return "\n".join(lines)
