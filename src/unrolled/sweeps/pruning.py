"""Stops a trial whose score is worse than the median of the other trials at the same epoch.

Median stopping: Golovin et al. (2017), Google Vizier, section 3.2; the rule is Optuna's.
"""

import logging
import math
from pathlib import Path

from lightning import Callback, LightningModule, Trainer

log = logging.getLogger(__name__)


class Pruning(Callback):
    """Reports the score of each epoch to the search, and stops training if the search prunes it.

    monitor: score to report, for example val/loss.
    trial: number of the trial in the search, whose folder contains the run's; None for no search.
    startup_trials: trials that finish before one is pruned, >= 0.
    warmup_epochs: first epochs of each trial in which it is not pruned, >= 0.

    stop_reason is "pruned" once the trial is pruned; `stopped_by` of the result repeats it.
    """

    def __init__(
        self, *, monitor: str, trial: int | None, startup_trials: int, warmup_epochs: int
    ) -> None:
        self.stop_reason: str | None = None
        self.monitor = monitor
        self.trial = trial
        self.startup_trials = startup_trials
        self.warmup_epochs = warmup_epochs

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report the score, and stop if the trial is to be pruned."""
        score = float(trainer.callback_metrics.get(self.monitor, math.nan))
        if self.trial is None or not trainer.is_global_zero or not math.isfinite(score):
            return
        from optuna.pruners import MedianPruner

        from unrolled.sweeps.search import open_study, running_trial

        pruner = MedianPruner(
            n_startup_trials=self.startup_trials, n_warmup_steps=self.warmup_epochs
        )
        with open_study(Path(trainer.default_root_dir).parent, pruner=pruner) as study:
            trial = running_trial(study, self.trial)
            if trial is None:  # the run was resumed without its search
                return
            trial.report(score, step=trainer.current_epoch)
            if trial.should_prune():
                trial.set_user_attr("pruned", value=True)
                self.stop_reason = "pruned"
                trainer.should_stop = True
                log.info("pruned by the search after epoch %d", trainer.current_epoch + 1)
