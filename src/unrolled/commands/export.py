"""`unrolled export run=DIR [format=onnx|safetensors] [output=FOLDER]`: use a model elsewhere.

format=onnx, the default, writes model.onnx, which takes raw values; step.onnx for streams, if the
model reads from left to right; predict.py, which needs only onnxruntime and numpy; and a model
card, README.md. format=safetensors writes the weights and a model card.

Every graph is run on sequences of the data, and compared with the run before it is written. The
largest difference of a probability is printed. More than 1e-5 is an error.

The output is the folder `onnx` or `safetensors` in the run folder unless you type another. Files
of an earlier export are kept unless you type overwrite=true. run=latest is the newest run with a
checkpoint under outputs, or under root=DIR. The packages are installed by
`pip install 'unrolled[onnx]'`.
"""

from pathlib import Path

from unrolled.commands.arguments import take_all
from unrolled.errors import ConfigError
from unrolled.output import echo
from unrolled.runs.durable import naming_storage
from unrolled.runs.run_folder import find_run

FORMATS = ("onnx", "safetensors")


def run(arguments: list[str]) -> None:
    """Check the arguments, export, and print how the files were checked.

    Raises:
        UnrolledError: there is no such run, it cannot be exported, or the output exists.
    """
    names = ("run", "root", "format", "output", "overwrite")
    typed, rest = take_all(arguments, names)
    if rest or typed["run"] is None:
        raise ConfigError(
            "export takes run=DIR (or run=latest) and optionally format=onnx or safetensors, "
            f"output=FOLDER and overwrite=true, got {arguments}"
        )
    kind = typed["format"] or "onnx"
    if kind not in FORMATS:
        raise ConfigError(f"format={kind}: need one of {', '.join(FORMATS)}")
    if typed["overwrite"] not in (None, "true", "false"):
        raise ConfigError(f"overwrite={typed['overwrite']}: need true or false")
    folder = find_run(typed["run"], root=Path(typed["root"] or "outputs"))
    folder.require_best_checkpoint()
    output = Path(typed["output"]).expanduser() if typed["output"] else folder.path / kind
    if output.exists() and not output.is_dir():
        raise ConfigError(f"output={output} is a file; type the name of a folder")
    if (output / "README.md").exists() and typed["overwrite"] != "true":
        raise ConfigError(
            f"{output} has an export; type overwrite=true to replace it, or output=FOLDER"
        )
    from unrolled.export.folder import export_run

    with naming_storage():
        lines = export_run(folder, output, as_onnx=kind == "onnx")
    echo("\n".join(lines))
    echo(f"export: {output}")
