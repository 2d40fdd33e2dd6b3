"""Fits the models that need no training loop, each in a run folder like a network."""

import logging
from time import perf_counter

from omegaconf import DictConfig

from unrolled.building.data import load_data
from unrolled.building.network import Network, build_model
from unrolled.callbacks.stop_signals import StopSignals
from unrolled.config.values import class_name
from unrolled.errors import DataError
from unrolled.runs import checkpoint_file
from unrolled.runs.result import Best, Result
from unrolled.runs.run_folder import RunFolder
from unrolled.training.calibrating import require_validation
from unrolled.training.data_record import record_data
from unrolled.training.scoring import add_baselines, score

log = logging.getLogger(__name__)


def fit_and_test(config: DictConfig, folder: RunFolder, result: Result) -> None:
    """Fit the model on the training set, write best.ckpt, and score it.

    The model is fitted on the CPU. A validation set is scored and selects nothing.

    result: gets scores, sizes and times.

    Raises:
        DataError: the data cannot be loaded, or has a single training sequence.
    """
    data = load_data(config)
    require_validation(config, data)
    train = data.parts.train
    name = class_name(config.model)
    if len(train) < 2:
        raise DataError(
            f"the training set has 1 sequence; {name} needs at least 2, or choose another model "
            "with model=gru"
        )
    record_data(folder, data, result)
    with StopSignals():
        started_at = perf_counter()
        model = build_model(
            config,
            num_features=data.num_features,
            num_words=data.num_words,
            num_steps=data.num_steps,
            num_classes=data.num_classes,
        )
        assert not isinstance(model, Network)
        model.fit(train.x, lengths=train.lengths, y=train.y, num_classes=data.num_classes)
        weights = {f"network.{key}": value for key, value in model.state_dict().items()}
        checkpoint_file.save(folder.best_checkpoint, {"state_dict": weights})
        result.seconds["fit"] = perf_counter() - started_at
        result.num_parameters = model.num_parameters
        result.num_steps = 0
        result.selection = "none: the model is fitted in one go"
        log.info(
            "model: %s, %s coefficients, fitted on %s sequences in %.1f s",
            name,
            f"{model.num_parameters:,}",
            f"{len(train):,}",
            result.seconds["fit"],
        )
        started_at = perf_counter()
        classifier = score(config, folder, [data], result)
        result.seconds["test"] = perf_counter() - started_at
        add_baselines(config, data, result, classifier=classifier)
    metric = config.monitor.metric
    result.best = Best(metric, value=result.scores.get(metric))
