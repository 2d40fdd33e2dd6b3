"""Writes the weights of a run as a safetensors file, with what is needed to build the network."""

import json
from pathlib import Path

from omegaconf import OmegaConf

from unrolled.export.checks import check_weights
from unrolled.export.onnx_file import require_packages
from unrolled.prediction.trained_run import TrainedRun
from unrolled.runs.run_folder import RunFolder

NAME = "model.safetensors"


def write_weights(run: TrainedRun, folder: RunFolder, path: Path, metadata: dict[str, str]) -> str:
    """Write the tensors of all members, and return a line about them.

    The metadata also has config and preprocessing of each member, as JSON.

    Raises:
        ConfigError: safetensors is not installed.
    """
    require_packages("safetensors")
    from safetensors.numpy import load_file
    from safetensors.torch import save_file

    tensors = {name: part.contiguous() for name, part in run.ensemble.state_dict().items()}
    configs = [OmegaConf.to_container(part.config(), resolve=True) for part in folder.networks]
    preparations = [part.preprocessing() for part in folder.networks]
    members = {"configs": json.dumps(configs), "preprocessing": json.dumps(preparations)}
    save_file(tensors, path, metadata={**metadata, **members})
    return check_weights(load_file(path), list(tensors.items()))
