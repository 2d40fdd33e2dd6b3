"""Settings that can change when a run is resumed, and the error for all others."""

from typing import Any

from unrolled.config.values import LENGTH, leaves
from unrolled.errors import CheckpointError

# Length, hardware, display and calibration of a run. With any other change it would be a different
# run.
CHANGEABLE = (
    *LENGTH,
    "trainer.accelerator",
    "trainer.devices",
    "trainer.num_nodes",
    "trainer.strategy",
    "trainer.enable_progress_bar",
    "trainer.profiler",
    "num_threads",
    "keep_memory",
    "report",
    "store_diff",
    "calibration",
    "checkpoint",
    "logger",
    "callbacks.progress",
    "callbacks.watchdog",
    "callbacks.tensorboard_views",
)


def refuse_changes(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Refuse to resume a run with settings that would make it a different run.

    before, after: plain values of the config, nested or not, for example {"seed": 1}.

    Raises:
        CheckpointError: a setting differs that cannot change on resume; the message lists each
            such key with both values.
    """
    old, new = dict(leaves(before)), dict(leaves(after))
    lines = [
        f"  {key}: {old.get(key, 'missing')} -> {new.get(key, 'missing')}"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key) and not _is_changeable(key)
    ]
    if lines:
        raise CheckpointError(
            "these settings cannot change when a run is resumed:\n"
            + "\n".join(lines)
            + "\n`unrolled train init_from=RUN` starts a new run from the weights of this one"
        )


def is_same_run(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Return whether two configs differ at most in settings that can change on resume.

    before: may have further keys at the top.
    """
    old, new = (
        {key: value for key, value in leaves(values) if not _is_changeable(key)}
        for values in ({key: before.get(key) for key in after}, after)
    )
    return old == new


def _is_changeable(key: str) -> bool:
    return any(key == name or key.startswith(f"{name}.") for name in CHANGEABLE)
