"""Ends a trial of a search that does worse than half of the others did at the same epoch.

Median stopping: Golovin et al. (2017), Google Vizier, section 3.2; the rule is Optuna's.
"""

import logging
import math
from pathlib import Path

from lightning import Callback, LightningModule, Trainer

log = logging.getLogger(__name__)


class Pruning(Callback):
    """Tells the search the score of each epoch, and stops training if the search gives it up.

    monitor: score to tell; the search has declared whether more or less is better.
    trial: number of the trial in the search of the folder above the run's; None for no search.
    startup_trials: trials to finish before one is pruned, >= 0.
    warmup_epochs: of each trial in which it is not pruned, >= 0.
    """

    def __init__(
        self, *, monitor: str, trial: int | None, startup_trials: int, warmup_epochs: int
    ) -> None:
        self.monitor = monitor
        self.trial = trial
        self.startup_trials = startup_trials
        self.warmup_epochs = warmup_epochs

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report, and stop if the trial is not worth going on with."""
        score = float(trainer.callback_metrics.get(self.monitor, math.nan))
        if self.trial is None or not trainer.is_global_zero or not math.isfinite(score):
            return
        from optuna.pruners import MedianPruner

        from unrolled.sweeps.search import open_study, running_trial

        study = open_study(
            Path(trainer.default_root_dir).parent,
            pruner=MedianPruner(
                n_startup_trials=self.startup_trials, n_warmup_steps=self.warmup_epochs
            ),
        )
        trial = running_trial(study, self.trial)
        if trial is None:  # the run is continued without its search
            return
        trial.report(score, step=trainer.current_epoch)
        if trial.should_prune():
            trial.set_user_attr("pruned", value=True)
            trainer.should_stop = True
            log.info("given up by the search after epoch %d", trainer.current_epoch + 1)
