"""Randomness without state: every random number is a function of where it is used.

The order of an epoch is drawn from (seed, epoch), the randomness of a batch from
(seed, epoch, batch, rank). Nothing needs to be saved to continue exactly, and 0 is a seed.
"""

import numpy as np
import torch


def mix(*numbers: int) -> int:
    """Return a 64-bit seed that depends on each of the numbers (0 to 2^64 - 1) and on their order.

    SeedSequence pads with zeros and splits large numbers, so that (1,) and (1, 0) would be the
    same to it; the count and a fixed number of words for each keep them apart.
    """
    words = [word for number in numbers for word in divmod(number, 2**32)]
    sequence = np.random.SeedSequence([len(numbers), *words])
    return int(sequence.generate_state(1, np.uint64)[0])


def seed_default_generators(seed: int) -> None:
    """Seed torch's default generator of the CPU and of the GPU in use.

    About 1.4 us on the CPU, where `torch.manual_seed` takes over 100 us.
    """
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_available():
        torch.cuda.default_generators[torch.cuda.current_device()].manual_seed(seed)
