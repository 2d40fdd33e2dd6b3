"""Records the data of a run in its folder and its result, and logs the warnings about it."""

from unrolled.data.module import SequenceDataModule
from unrolled.runs.result import Result
from unrolled.runs.run_folder import RunFolder


def record_data(folder: RunFolder, data: SequenceDataModule, result: Result) -> None:
    """Write preprocessing.json, and add sizes, groups and baselines to the result."""
    folder.write_preprocessing(data.preprocessing())
    result.groups = dict(data.groups)
    result.num_sequences = data.parts.sizes()
    result.num_repeated = dict(data.num_repeated)
    result.data_fingerprint = data.fingerprint
    result.baselines = dict(data.baselines)
    data.log_warnings()
