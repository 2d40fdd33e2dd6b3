"""A trained run applied to new sequences. Neither Lightning nor Hydra is imported."""

from unrolled.prediction.predictor import Prediction, Predictor

__all__ = ["Prediction", "Predictor"]
