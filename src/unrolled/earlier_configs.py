"""Configs of runs that were made before a setting existed, with the value that it then had.

A setting that a class of ours gains gets a line here, so that the folders of earlier runs keep
loading: what they computed is what the new setting leaves as it was.
"""

import copy
from typing import Any

WINDOW = {
    "_target_": "unrolled.data.windows.Windows",
    "size": None,
    "stride": None,
    "label": "refuse",
    "background": None,
}
CHRONO = {"chrono_steps": None}
GAINED: dict[str, dict[str, Any]] = {  # by the class that `_target_` names
    "unrolled.data.module.SequenceDataModule": {
        "window": WINDOW,
        "curriculum_epochs": 0,
        "pixels_per_step": 1,
    },
    "unrolled.encoders.rnn.RNN": CHRONO,
    "unrolled.encoders.lstm.LSTM": CHRONO,
    "unrolled.encoders.gru.GRU": CHRONO,
    "unrolled.encoders.indrnn.IndRNN": {"last_u_min": 0.0},
    "unrolled.encoders.lmu.LMU": {"memory_size": 1},
    "unrolled.encoders.lmu_fft.LMUFFT": {"memory_size": 1},
    "unrolled.heads.all_steps.AllSteps": {"stride": 1},
}
GAINED_BY_FILES = {"resample": None, "split_column": None}  # stand beside the source


def completed(config: dict[str, Any]) -> dict[str, Any]:
    """Return a run's config, as plain values, with the settings that it could not know."""
    whole = copy.deepcopy(config)
    for node in whole.values():
        if not isinstance(node, dict):
            continue
        gained = GAINED.get(node.get("_target_", ""), {})
        if (node.get("source") or {}).get("_target_") == "unrolled.data.files.Files":
            gained = {**gained, **GAINED_BY_FILES}
        for key, value in gained.items():
            node.setdefault(key, copy.deepcopy(value))
    return whole
