"""Class probabilities from model.onnx, with onnxruntime and numpy: python predict.py X.npy ..."""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime

FOLDER = Path(__file__).resolve().parent


def load(name="model.onnx"):
    """Return a model in this folder, and its class names."""
    model = onnxruntime.InferenceSession(FOLDER / name, providers=["CPUExecutionProvider"])
    return model, json.loads(model.get_modelmeta().custom_metadata_map["class_names"])


def predict(model, sequences):
    """Return a row of probabilities per sequence. Each sequence has the shape (steps, features)."""
    lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
    x = np.zeros((len(lengths), lengths.max(), len(sequences[0][0])))
    for row, sequence in zip(x, sequences, strict=True):
        row[: len(sequence)] = sequence
    return model.run(None, {"x": x, "lengths": lengths})[0]


def step(model, x, state=None):
    """Return probabilities after one more step, (streams, features), and the state for the next."""
    start = np.load(FOLDER / "start.npz") if state is None else {}
    state = state or {name: start[name].repeat(len(x), axis=0) for name in start}
    probabilities, *after = model.run(None, {"x": np.asarray(x, dtype=np.float64), **state})
    return probabilities, dict(zip(state, after, strict=True))


if __name__ == "__main__":
    model, class_names = load()
    for name in sys.argv[1:]:
        (row,) = predict(model, [np.load(name)])
        print(name, class_names[row.argmax()], row.astype(float).round(4).tolist())
