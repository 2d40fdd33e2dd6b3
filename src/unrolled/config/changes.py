"""What may change when a run is continued, and how what may not is said."""

from typing import Any

from unrolled.config.values import LENGTH, leaves
from unrolled.errors import CheckpointError

# How long, where and with what display a run goes on; whatever else changes, it is another run.
FREE = (
    *LENGTH,
    "trainer.accelerator",
    "trainer.devices",
    "trainer.num_nodes",
    "trainer.strategy",
    "trainer.enable_progress_bar",
    "trainer.profiler",
    "num_threads",
    "keep_memory",
    "checkpoint",
    "logger",
    "callbacks.progress",
    "callbacks.watchdog",
    "callbacks.tensorboard_views",
)


def refuse_changes(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Refuse to continue a run as another one.

    before, after: plain values that say what the run computes.

    Raises:
        CheckpointError: lists each key that differs, with both values.
    """
    old, new = dict(leaves(before)), dict(leaves(after))
    lines = [
        f"  {key}: {old.get(key, 'missing')} -> {new.get(key, 'missing')}"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key) and not _is_free(key)
    ]
    if lines:
        raise CheckpointError(
            "the run cannot be continued with other settings:\n"
            + "\n".join(lines)
            + "\n`unrolled train init_from=RUN` starts a new run from its weights"
        )


def _is_free(key: str) -> bool:
    return any(key == free or key.startswith(f"{free}.") for free in FREE)
