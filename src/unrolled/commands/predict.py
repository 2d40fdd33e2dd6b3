"""`unrolled predict run=DIR input=FILE output=FILE`: a row per sequence, with its classes' odds."""

from pathlib import Path

from unrolled.commands.arguments import take
from unrolled.durable import write_atomically
from unrolled.errors import ConfigError
from unrolled.run_folder import find_run

FORMATS = (".csv", ".parquet")


def run(arguments: list[str]) -> None:
    """Predict; the file is read as the run's training file was.

    Raises:
        UnrolledError: no such run, or a file that does not fit it.
    """
    name, rest = take(arguments, "run")
    root, rest = take(rest, "root")
    source, rest = take(rest, "input")
    target, rest = take(rest, "output")
    if rest or name is None or source is None or target is None:
        raise ConfigError(
            f"predict takes run=DIR (or run=latest) input=FILE output=FILE, got {arguments}"
        )
    output = Path(target).expanduser()
    if output.suffix.lower() not in FORMATS:
        raise ConfigError(f"output={target}: need a name that ends in {' or '.join(FORMATS)}")
    if output.resolve() == Path(source).expanduser().resolve():
        raise ConfigError(f"output={target} is the input")
    folder = find_run(name, root=Path(root or "outputs"))
    import pandas as pd

    from unrolled.predictor import Predictor

    ids, prediction = Predictor(folder).predict_file(Path(source).expanduser())
    frame = pd.DataFrame({"id": ids, "predicted": prediction.labels})
    for number, class_name in enumerate(prediction.class_names):
        frame[f"p_{class_name}"] = prediction.probabilities[:, number]

    def write(path: Path) -> None:
        if output.suffix.lower() == ".csv":
            frame.to_csv(path, index=False)
        else:
            frame.to_parquet(path, index=False)

    write_atomically(output, write, durable=False)
    counts = ", ".join(f"{num} {name}" for name, num in frame["predicted"].value_counts().items())
    print(f"{len(frame)} sequences: {counts}")
    print(f"predictions: {output}", flush=True)
