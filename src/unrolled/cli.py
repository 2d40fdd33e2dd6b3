"""The command line: `unrolled COMMAND key=value ...`. No other module ends the process.

A command imports torch only when its work starts, so that help, completion and messages about
typing errors appear within half a second.
"""

import atexit
import gc
import importlib
import logging
import os
import sys
import threading
import traceback

from unrolled import __version__
from unrolled.errors import ConfigError, RunInterruptedError, UnrolledError, did_you_mean
from unrolled.output import echo, guard_logging

SECONDS_FOR_THREADS = 10.0  # that still run when a command has ended

COMMANDS = {
    "train": "train and test one run, or start a sweep with -m",
    "resume": "continue an interrupted run, or train a finished one for longer: run=DIR",
    "evaluate": "test a run again, or score a new labelled file: run=DIR [input=FILE]",
    "report": "compare runs, one row per setting: DIR... metric= sort= group= where=KEY=VALUE",
    "predict": "classify the sequences in a file: run=DIR input=FILE output=FILE",
    "export": "write a run as ONNX graphs or weights, for other programs: run=DIR",
    "explain": "measure what the network of a run remembers: run=DIR",
    "inspect": "describe and plot a data file, and write a config for it: path=FILE",
    "check": "check that a model of your own obeys the rules of a network: model=NAME",
    "list": "list the runs, newest first",
    "bench": "measure speed next to plain PyTorch: parts=[steps,loop,...] compare=FILE",
}

USAGE = """\
unrolled COMMAND [key=value ...]

{commands}

Examples:

  unrolled train                                  an LSTM on the digits data set
  unrolled train model=gru data=random seed=3     another model, data set and seed
  unrolled train -m model=rnn,lstm,gru seed=1,2   a sweep of six runs
  unrolled inspect path=FILE                      describe your own data
  unrolled resume run=latest                      continue the newest run
  unrolled evaluate run=latest                    test the newest run again

allow=my_package, with any command, lets a config name classes of your own package.
`unrolled train --help` lists every option and setting. `unrolled COMMAND --help` describes any
other command. run=latest is the newest run under outputs.
"""


def main() -> None:
    """Run the command in sys.argv, and exit with its code."""
    # Libraries and configs are about a million objects that are never freed. Searching them for
    # garbage after every 700 new objects, Python's default, takes a sixth of the loading time.
    gc.set_threshold(50_000)
    code = run(sys.argv[1:])
    _limit_the_end(code)
    sys.exit(code)


def _limit_the_end(code: int) -> None:
    """End the process after a while if threads of libraries or users never end."""
    alarm = threading.Timer(SECONDS_FOR_THREADS, _end_without_threads, [code])
    alarm.daemon = True
    alarm.start()
    atexit.register(alarm.cancel)  # is called when all threads have ended


def _end_without_threads(code: int) -> None:
    names = [thread.name for thread in threading.enumerate() if not thread.daemon]
    echo(f"ends without waiting for the threads {', '.join(names[1:])}", is_error=True)
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)


def run(arguments: list[str]) -> int:
    """Run a command, and return its exit code; an error is printed to standard error.

    arguments: the command line without the program's name, such as ["train", "model=gru"].
    """
    guard_logging()
    if any(a.startswith(("-sc", "--shell-completion")) for a in arguments):
        arguments = _prepare_completion(arguments)
    name = next((argument for argument in arguments if argument in COMMANDS), None)
    if name is None:
        return _without_command(arguments)
    rest = list(arguments)
    rest.remove(name)
    try:  # imports too, so that Ctrl-C during them leaves no traceback
        from unrolled.commands.arguments import take
        from unrolled.config.classes import allowing

        command = importlib.import_module(f"unrolled.commands.{name}")
        if name != "train" and {"--help", "-h"} & set(rest):
            echo(f"{command.__doc__}".strip())
            return 0
        packages, rest = take(rest, "allow")
        with allowing([] if packages is None else packages.strip("[]").split(",")):
            command.run(rest)
    except RunInterruptedError as error:  # the run itself has logged how to resume it
        return error.exit_code
    except UnrolledError as error:
        from unrolled.processes import is_helper

        if not is_helper():  # the first process prints the same
            echo(f"error: {error}", is_error=True)
        return error.exit_code
    except KeyboardInterrupt:
        echo("interrupted", is_error=True)
        return 130
    except BrokenPipeError:  # for example `unrolled list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:  # noqa: BLE001 - no caller would handle it
        return _unexpected(error, name, rest)
    return 0


def _unexpected(error: Exception, name: str, arguments: list[str]) -> int:
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from unrolled.memory import is_out_of_memory, out_of_memory

    if isinstance(error, HydraException | OmegaConfBaseException):
        from unrolled.config.composition import explain

        echo(f"error: {explain(error, arguments)}", is_error=True)
        return ConfigError.exit_code
    if is_out_of_memory(error):
        remedy = "use fewer or shorter sequences, or a machine with more memory"
        named = out_of_memory(error, what=f"`unrolled {name}`", remedy=remedy)
        echo(f"error: {named}", is_error=True)
        return named.exit_code
    echo("".join(traceback.format_exception(error)).rstrip("\n"), is_error=True)
    return 1


def _without_command(arguments: list[str]) -> int:
    if arguments and arguments[0] in ("--version", "-V"):
        echo(f"unrolled {__version__}")
        return 0
    commands = "\n".join(f"  {name:<10} {about}" for name, about in COMMANDS.items())
    usage = USAGE.format(commands=commands).rstrip("\n")
    if not arguments or arguments[0] in ("--help", "-h", "help"):
        echo(usage)
        return 0
    words = [argument for argument in arguments if not argument.startswith("-")] or arguments
    hint = did_you_mean(words[0], COMMANDS)
    echo(f"error: {words[0]!r} is not a command{hint}\n\n{usage}", is_error=True)
    return ConfigError.exit_code


def _prepare_completion(arguments: list[str]) -> list[str]:
    """Complete the name of a command, or prepare the arguments of `train` for Hydra to complete.

    The shell passes the typed line in COMP_LINE and the position of the cursor in COMP_POINT.
    """
    line = os.environ.get("COMP_LINE", "")
    words = line.split()
    typed = words[1] if len(words) > 1 else ""
    is_query = any("query=" in argument for argument in arguments)
    if is_query and (typed not in COMMANDS or (len(words) == 2 and not line.endswith(" "))):
        echo("\n".join(name for name in COMMANDS if name.startswith(typed)))
        sys.exit(0)
    if is_query:
        os.environ["COMP_LINE"] = line.replace(f" {typed}", "", 1)
        point = int(os.environ.get("COMP_POINT", len(line)))
        os.environ["COMP_POINT"] = str(point - len(typed) - 1)
    return arguments if "train" in arguments else ["train", *arguments]
