"""The command line: `unrolled COMMAND key=value ...`; the only place that exits.

torch is imported by a command when its work starts, not before: help, completion and a mistyped
key answer at once.
"""

import gc
import importlib
import os
import sys
import traceback

from unrolled import __version__
from unrolled.errors import ConfigError, RunInterruptedError, UnrolledError, did_you_mean

COMMANDS = {
    "train": "train, test and record one run, or with -m a sweep",
    "resume": "continue an interrupted run: run=DIR or run=latest; or a finished one for longer",
    "evaluate": "test a finished run again: run=DIR or run=latest, optionally data=...",
    "report": "compare runs: DIR... metric= sort= group= where=KEY=VALUE; a row per setting",
    "predict": "classify the sequences of a file: run=DIR input=FILE output=FILE",
    "inspect": "describe a data file, draw it, and write the config that trains on it: path=FILE",
    "list": "show what has been run, newest first",
}

USAGE = """\
unrolled COMMAND [key=value ...]

{commands}

  unrolled train                                  digits, an LSTM, under a minute
  unrolled train model=gru data=random seed=3     choices compose
  unrolled train -m model=rnn,lstm,gru seed=1,2   a sweep
  unrolled train --help                           every choice
  unrolled inspect path=FILE                      your own data: what it holds, how to train on it
  unrolled resume run=latest
  unrolled evaluate run=latest
"""


def main() -> None:
    """Run the command that was typed, and exit with its code."""
    # libraries and configs are a million objects that stay: looking for garbage among them after
    # every 700 new ones, as Python does by itself, is a sixth of the time to load them
    gc.set_threshold(50_000)
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run a command; return 0, or the code of the error that was told on standard error."""
    if any(a.startswith(("-sc", "--shell-completion")) for a in arguments):
        arguments = _prepare_completion(arguments)
    name = next((argument for argument in arguments if argument in COMMANDS), None)
    if name is None:
        return _without_command(arguments)
    rest = list(arguments)
    rest.remove(name)
    try:
        command = importlib.import_module(f"unrolled.commands.{name}")
        if name != "train" and {"--help", "-h"} & set(rest):
            print(f"{command.__doc__}".strip())
            return 0
        command.run(rest)
    except RunInterruptedError as error:  # how to go on has been said
        return error.exit_code
    except UnrolledError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output went away
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:  # noqa: BLE001 - the last stop
        return _unforeseen(error, rest)
    return 0


def _unforeseen(error: Exception, arguments: list[str]) -> int:
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    if isinstance(error, HydraException | OmegaConfBaseException):
        from unrolled.config.composition import explain

        print(f"error: {explain(error, arguments)}", file=sys.stderr)
        return ConfigError.exit_code
    traceback.print_exception(error)
    return 1


def _without_command(arguments: list[str]) -> int:
    if arguments and arguments[0] in ("--version", "-V"):
        print(f"unrolled {__version__}")
        return 0
    commands = "\n".join(f"  {name:<10} {about}" for name, about in COMMANDS.items())
    usage = USAGE.format(commands=commands)
    if not arguments or arguments[0] in ("--help", "-h", "help"):
        print(usage, end="")
        return 0
    words = [argument for argument in arguments if not argument.startswith("-")] or arguments
    hint = did_you_mean(words[0], COMMANDS)
    print(f"error: {words[0]!r} is not a command{hint}\n\n{usage}", end="", file=sys.stderr)
    return ConfigError.exit_code


def _prepare_completion(arguments: list[str]) -> list[str]:
    """Let Hydra complete what stands behind `train`; complete the command itself here.

    The shell passes the line being typed in COMP_LINE and the cursor in COMP_POINT.
    """
    line = os.environ.get("COMP_LINE", "")
    words = line.split()
    typed = words[1] if len(words) > 1 else ""
    is_query = any("query=" in argument for argument in arguments)
    if is_query and (typed not in COMMANDS or (len(words) == 2 and not line.endswith(" "))):
        print("\n".join(name for name in COMMANDS if name.startswith(typed)))
        sys.exit(0)
    if is_query:
        os.environ["COMP_LINE"] = line.replace(f" {typed}", "", 1)
        point = int(os.environ.get("COMP_POINT", len(line)))
        os.environ["COMP_POINT"] = str(point - len(typed) - 1)
    return arguments if "train" in arguments else ["train", *arguments]
