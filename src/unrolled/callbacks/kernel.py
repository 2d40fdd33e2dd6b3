"""Chooses which code computes the encoder, and the same code again on resume."""

import logging

from unrolled.classifier.module import SequenceClassifier

log = logging.getLogger(__name__)


def resolve_kernel(classifier: SequenceClassifier, *, recorded: str | None) -> str:
    """Return the code that computes the encoder in this run, torch or native.

    classifier: its encoder gets the recorded kernel if `model.kernel` means another one here.
    recorded: what the run used before, torch or native, or None for a new run.
    """
    encoder = classifier.network.encoder
    kernel = encoder.resolve_kernel(classifier.device)
    if recorded is not None and recorded != kernel:
        encoder.kernel = recorded
        kernel = encoder.resolve_kernel(classifier.device)
    if recorded is not None and recorded != kernel:
        log.warning(
            "the run started with model.kernel=%s, which this machine does not have; with %s, "
            "scores may differ in the last digits from an uninterrupted run",
            recorded,
            kernel,
        )
    return kernel
