"""Training steps with and without `keep_memory`: time, peak memory, and the same bits.

    python benchmarks/keep_memory.py [pairs=5] [steps=6]

Each measurement is a process of its own, and the two settings alternate. A process trains torch's
LSTM, RNN or GRU (1 -> 128) on 128 sequences of 784 steps, on one thread, with Adam. It prints the
median CPU time and page faults of a step, the peak of resident memory, and a hash of the losses
and the final weights, which must be the same with both settings.
"""

import hashlib
import json
import resource
import statistics
import subprocess
import sys
from time import process_time

import torch
from torch import nn
from torch.nn import functional

from unrolled.training.process import prepare_process

NUM_STEPS, BATCH_SIZE, HIDDEN_SIZE, NUM_CLASSES = 784, 128, 128, 10
NETWORKS = {"LSTM": nn.LSTM, "RNN": nn.RNN, "GRU": nn.GRU}
NUM_WARM_UP = 2


def measure(name: str, *, keep_memory: bool, steps: int) -> dict[str, float | str]:
    """Train some steps in this process, and return what they took."""
    prepare_process(num_threads=1, keep_memory=keep_memory)
    torch.manual_seed(0)
    network = NETWORKS[name](1, HIDDEN_SIZE, batch_first=True)
    linear = nn.Linear(HIDDEN_SIZE, NUM_CLASSES)
    parameters = [*network.parameters(), *linear.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-3)
    x = torch.randn(BATCH_SIZE, NUM_STEPS, 1)
    y = torch.randint(0, NUM_CLASSES, (BATCH_SIZE,))
    seconds, faults, losses = [], [], []
    for _ in range(NUM_WARM_UP + steps):
        faults_before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        started_at = process_time()
        loss = functional.cross_entropy(linear(network(x)[0][:, -1]), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seconds.append(process_time() - started_at)
        faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults_before)
        losses.append(loss.detach())
    digest = hashlib.sha256()
    for tensor in (*losses, *parameters):
        digest.update(tensor.detach().numpy().tobytes())
    return {
        "seconds": statistics.median(seconds[NUM_WARM_UP:]),
        "faults": statistics.median(faults[NUM_WARM_UP:]),
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "digest": digest.hexdigest(),
    }


def in_a_process(name: str, *, keep_memory: bool, steps: int) -> dict[str, float | str]:
    """Return what `measure` returns in a new process."""
    command = [sys.executable, __file__, name, str(keep_memory), str(steps)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
    measured: dict[str, float | str] = json.loads(done.stdout)
    return measured


def main(arguments: list[str]) -> None:
    """Measure and print a row per network and setting."""
    settings = dict(argument.split("=", 1) for argument in arguments)
    pairs, steps = int(settings.get("pairs", 5)), int(settings.get("steps", 6))
    print(f"{pairs} pairs of processes, {steps} steps each; medians; CPU time on one thread")
    for name in NETWORKS:
        runs = [
            {keep: in_a_process(name, keep_memory=keep, steps=steps) for keep in (False, True)}
            for _ in range(pairs)
        ]
        digests = {run[keep]["digest"] for run in runs for keep in (False, True)}
        assert len(digests) == 1, f"{name}: keep_memory changes the result"
        for keep in (False, True):
            seconds, faults, megabytes = (
                statistics.median(float(run[keep][key]) for run in runs)
                for key in ("seconds", "faults", "megabytes")
            )
            print(
                f"{name:>5}  keep_memory={str(keep).lower():<5}  {1000 * seconds:6.0f} ms a step  "
                f"{faults:9,.0f} page faults a step  {megabytes:6.0f} MB at most"
            )
        ratios = [float(run[True]["seconds"]) / float(run[False]["seconds"]) for run in runs]
        print(f"{name:>5}  ratio of times: {statistics.median(ratios):.2f}, the same bits")


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in NETWORKS:
        name, keep, num = sys.argv[1:]
        print(json.dumps(measure(name, keep_memory=keep == "True", steps=int(num))))
    else:
        main(sys.argv[1:])
