"""Layouts: where each pixel of an image comes to stand in time."""

import numpy as np
import pytest
import torch

from unrolled.data.layouts import lay_out, permutation, require_equal_lengths
from unrolled.errors import ConfigError, DataError

IMAGES = torch.arange(24.0).reshape(2, 3, 4)  # two of 3 rows and 4 columns


def test_rows_are_the_steps_as_they_come() -> None:
    assert torch.equal(lay_out(IMAGES, layout="rows"), IMAGES)


def test_columns_are_the_steps_of_the_transposed_image() -> None:
    columns = lay_out(IMAGES, layout="columns")
    assert columns[1].tolist() == [[12, 16, 20], [13, 17, 21], [14, 18, 22], [15, 19, 23]]


def test_pixels_are_read_row_by_row_one_a_step() -> None:
    pixels = lay_out(IMAGES, layout="pixels")
    assert pixels.tolist() == [[[float(n)] for n in range(12)], [[float(n)] for n in range(12, 24)]]


@pytest.mark.parametrize("name", [0, 3, "torch_5544", "numpy_92916"])
def test_permuted_puts_pixel_order_t_at_step_t(name: int | str) -> None:
    permuted = lay_out(IMAGES, layout="permuted", permutation_name=name)
    order = permutation(name, size=12).tolist()
    expected = [[[12.0 * image + pixel] for pixel in order] for image in (0, 1)]
    assert permuted.tolist() == expected


def test_a_step_of_several_pixels_goes_on_where_the_last_one_ended() -> None:
    pixels = lay_out(IMAGES, layout="pixels", pixels_per_step=6)
    assert pixels[0].tolist() == [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]]
    assert torch.equal(lay_out(IMAGES, layout="pixels", pixels_per_step=4), IMAGES)


@pytest.mark.parametrize("pixels_per_step", [2, 3, 12])
def test_permuted_pixels_keep_their_order_in_steps_of_several(pixels_per_step: int) -> None:
    one = lay_out(IMAGES, layout="permuted", permutation_name=3)
    several = lay_out(
        IMAGES, layout="permuted", permutation_name=3, pixels_per_step=pixels_per_step
    )
    assert several.shape == (2, 12 // pixels_per_step, pixels_per_step)
    assert several.flatten(1).tolist() == one.flatten(1).tolist()


@pytest.mark.parametrize("pixels_per_step", [0, 5, 24])
def test_a_step_that_does_not_divide_the_image_is_refused(pixels_per_step: int) -> None:
    with pytest.raises(ConfigError, match=r"data\.pixels_per_step=\d+: need a divisor of 12"):
        lay_out(IMAGES, layout="pixels", pixels_per_step=pixels_per_step)


@pytest.mark.parametrize("layout", ["rows", "columns"])
def test_pixels_per_step_without_effect_is_refused(layout: str) -> None:
    with pytest.raises(ConfigError, match=r"need data\.layout=pixels or permuted, got " + layout):
        lay_out(IMAGES, layout=layout, pixels_per_step=2)


@pytest.mark.parametrize("name", [0, 1, "torch_5544", "numpy_92916"])
def test_a_permutation_has_every_pixel_once(name: int | str) -> None:
    assert sorted(permutation(name, size=784).tolist()) == list(range(784))


def test_torch_5544_is_the_published_permutation() -> None:
    torch.manual_seed(5544)
    assert torch.equal(permutation("torch_5544", size=784), torch.randperm(784))


def test_numpy_92916_is_the_published_permutation() -> None:
    expected = np.random.RandomState(92916).permutation(784)
    assert permutation("numpy_92916", size=784).tolist() == expected.tolist()


def test_a_permutation_leaves_the_global_generators_alone() -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    for name in (5, "torch_5544", "numpy_92916"):
        permutation(name, size=784)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()  # noqa: NPY002


def test_seeds_give_different_permutations() -> None:
    assert len({tuple(permutation(seed, size=64).tolist()) for seed in range(10)}) == 10


@pytest.mark.parametrize("name", ["torch_1", "", -1])
def test_an_unknown_permutation_is_refused(name: int | str) -> None:
    with pytest.raises(ConfigError, match=r"data\.permutation=.*seed >= 0 or one of torch_5544"):
        permutation(name, size=4)


def test_an_unknown_layout_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"data\.layout='diagonal': need one of rows, columns"):
        lay_out(IMAGES, layout="diagonal")


@pytest.mark.parametrize("layout", ["columns", "pixels", "permuted"])
def test_a_layout_that_would_mix_padding_with_steps_is_refused(layout: str) -> None:
    with pytest.raises(DataError, match=rf"data\.layout={layout} needs .* equal length.* 2 to 3"):
        require_equal_lengths(torch.tensor([3, 2]), layout=layout, num_steps=3)


def test_rows_may_have_any_lengths() -> None:
    require_equal_lengths(torch.tensor([3, 2]), layout="rows", num_steps=3)
