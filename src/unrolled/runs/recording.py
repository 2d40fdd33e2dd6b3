"""Records how a run ended, whatever ended it."""

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from omegaconf import DictConfig

from unrolled.config.values import config_hash
from unrolled.errors import STOP_SIGNALS, RunInterruptedError, StorageError, UnrolledError
from unrolled.runs import manifest
from unrolled.runs.result import Result
from unrolled.runs.run_folder import RunFolder

log = logging.getLogger(__name__)


@contextmanager
def recording(folder: RunFolder, *, config: DictConfig) -> Iterator[Result]:
    """Yield the result of a run, to be filled in, and write it to the folder at the end.

    Raises:
        KeyboardInterrupt: the block was interrupted. Lightning's SystemExit becomes one, too.
        RuntimeError: a library called sys.exit.
        StorageError: the result of a run that is done cannot be written.
    """
    started_at = perf_counter()
    result = Result(seed=config.seed, config_hash=config_hash(config))
    try:
        yield result
        result.state, result.exit_code = "done", 0
    except RunInterruptedError as error:
        result.state, result.exit_code, result.error = "interrupted", error.exit_code, str(error)
        raise
    except UnrolledError as error:
        result.exit_code, result.error = error.exit_code, str(error)
        raise
    except KeyboardInterrupt:
        _interrupt(result)
        raise
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):  # Lightning turns one into the other
            _interrupt(result)
            raise KeyboardInterrupt from error
        result.error = f"a library called sys.exit({error.code})"
        raise RuntimeError(result.error) from error
    except BaseException as error:
        result.error = "".join(traceback.format_exception_only(error)).strip()
        raise
    finally:
        result.seconds["total"] = perf_counter() - started_at
        _write(folder, result)


def _interrupt(result: Result) -> None:
    result.state, result.error = "interrupted", "interrupted"
    result.exit_code = STOP_SIGNALS["SIGINT"]


def _write(folder: RunFolder, result: Result) -> None:
    try:
        folder.write_result(result)
        if result.state == "done":
            manifest.write(folder)
    except StorageError as error:
        if result.state == "done":
            raise
        log.warning("%s", error)  # the error that ended the run is the one to report
