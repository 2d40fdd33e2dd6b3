"""`unrolled bench [key=value ...]`: measure the speed of this machine, next to plain PyTorch.

Each row and its reference are measured in turn, on one thread, by CPU time. The ratio is the
geometric mean over the pairs, with a 95 % interval. bench.json (all pairs, versions, commit, CPU)
and figures are written to a new folder below outputs/bench, or to output=DIR.

  parts=[steps,inference,loop,length,startup,reading,predict]
      steps: a training step of each model and kernel in each shape, next to torch.nn.
      inference: the same without gradients. loop: an epoch of a run, next to a bare loop.
      length: growth with the length of the sequences. startup: new processes.
      reading: files, next to pandas and numpy. predict: a file and a stream.
      threads: a training step with num_threads=2, next to one thread (not in the default).
  models=[rnn,lstm,gru]  shapes=[28x100x28x128]  lengths=[64,256,1024]
      a shape is steps x sequences x features x units.
  loop=[experiment=tutorial_mnist]
      the run of loop, as settings of `unrolled train`. It needs model=rnn, lstm or gru.
  pairs=11
      more pairs give shorter intervals. startup_pairs=5 is the number for startup.
  num_sequences=300000  keep_memory=false
      the size of the files of reading and predict, and whether freed memory is kept.

  compare=FILE
      FILE is the bench.json of an earlier bench. Measures with its settings, and prints what has
      changed: ratios to the references are compared, so that a busy machine or another clock
      rate does not look like a change. `no change shown` means that the interval contains 1.
  compare=FILE new=FILE
      compares two files and measures nothing.

conf/bench.yaml has the defaults. They take some minutes.
"""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from unrolled.bench.settings import Settings, read_settings, typed

if TYPE_CHECKING:
    from unrolled.bench.record import Record


def run(arguments: list[str]) -> None:
    """Measure, write the record, and compare it with an earlier one if that is asked for.

    Raises:
        ConfigError: an argument is unknown, or its value does not fit.
        DataError: a file to compare is not one that `unrolled bench` has written.
    """
    path = typed(arguments).get("compare")
    settings = read_settings(arguments, recorded={})
    if path is None:
        _measure(settings)
        return
    from unrolled.bench.comparison import changes, differences
    from unrolled.bench.record import read_record
    from unrolled.bench.tables import show_changes

    old = read_record(Path(str(path)))
    settings = read_settings(arguments, recorded=old.settings)
    new = _measure(settings) if settings.new is None else read_record(Path(settings.new))
    show_changes(changes(old, new), differences(old, new))


def _measure(settings: Settings) -> "Record":
    from unrolled.bench.measuring import measure

    now = datetime.now().astimezone().strftime("%Y-%m-%d_%H-%M-%S")
    return measure(settings, Path(settings.output or f"outputs/bench/{now}"))
