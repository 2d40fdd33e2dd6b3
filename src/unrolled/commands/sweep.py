"""What `unrolled train -m` does beyond Hydra: a sweep that was stopped goes on where it was."""

import sys
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from unrolled.run_folder import RunFolder


def earlier_result(
    config: DictConfig, folder: RunFolder, *, overrides: list[str]
) -> dict[str, Any] | None:
    """Return what a job of an earlier start of the sweep found, continued if it was not done.

    None if the job has not been started, or has left nothing to continue from; its folder is
    then free.
    """
    result = folder.result()
    if result is not None and result["state"] == "done":
        return result
    if folder.last_checkpoint.is_file():
        from unrolled import experiment

        with folder.held():
            return experiment.resume(config, folder, overrides=overrides)
    folder.make_free()
    return None


def tell_of_rest(arguments: list[str], *, stopped_at: int, folder: RunFolder) -> None:
    """Say on standard error which jobs of a sweep were not run, and how to go on.

    stopped_at: number of the job that was interrupted, >= 0.
    folder: of that job.
    """
    typed = [argument for argument in arguments if not argument.startswith("-")]
    parsed = OverridesParser.create().parse_overrides(typed)
    parsed = [item for item in parsed if not item.get_key_element().startswith("hydra.")]
    jobs = BasicSweeper.split_arguments(parsed, max_batch_size=None)[0]
    lines = [f"interrupted: {' '.join(jobs[stopped_at])}"]
    lines += [f"not run: {' '.join(job)}" for job in jobs[stopped_at + 1 :]]
    lines.append(f"to go on: the same command with hydra.sweep.dir={folder.path.parent}")
    print("\n".join(lines), file=sys.stderr)
