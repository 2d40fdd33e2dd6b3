"""What `recipe=small` computes, and what a run makes of it."""

import pytest

from unrolled.small_recipe import SMALL, small_recipe, stride_and_pool, usual_val_size


@pytest.mark.parametrize(
    ("num_sequences", "batch_size", "max_steps"),
    [(1, 1, 600), (7, 7, 600), (50, 16, 600), (240, 16, 600), (300, 16, 750), (499, 16, 1200)],
)
def test_a_small_set_is_trained_for_a_number_of_steps_and_selects_nothing(
    num_sequences: int, batch_size: int, max_steps: int
) -> None:
    recipe = small_recipe(num_sequences, 150)
    assert (recipe.batch_size, recipe.max_steps) == (batch_size, max_steps)
    assert (recipe.max_epochs, recipe.val_size) == (-1, 0.0)


@pytest.mark.parametrize(
    ("num_sequences", "batch_size"), [(500, 16), (2_000, 16), (2_001, 32), (10**6, 256)]
)
def test_a_larger_set_is_trained_for_epochs_and_selects_on_a_validation_set(
    num_sequences: int, batch_size: int
) -> None:
    recipe = small_recipe(num_sequences, 150)
    assert (recipe.batch_size, recipe.max_epochs) == (batch_size, 40)
    assert (recipe.max_steps, recipe.val_size) == (-1, 0.1)


def test_the_length_of_training_does_not_jump_where_the_recipe_changes() -> None:
    below, above = small_recipe(SMALL - 1, 150), small_recipe(SMALL, 150)
    num_steps = above.max_epochs * (SMALL * (1 - above.val_size)) // above.batch_size
    assert 0.9 < num_steps / below.max_steps < 1.1
    assert usual_val_size(SMALL - 1) == 0
    assert usual_val_size(SMALL) > 0


@pytest.mark.parametrize(
    ("num_steps", "expected"),
    [(1, (1, 1)), (24, (1, 1)), (150, (1, 3)), (427, (2, 4)), (1460, (6, 5)), (10**6, (3906, 5))],
)
def test_the_recurrent_part_reads_about_48_steps(num_steps: int, expected: tuple[int, int]) -> None:
    stride, pool = stride_and_pool(num_steps)
    assert (stride, pool) == expected
    if num_steps > 100:
        assert 32 <= num_steps / stride / pool <= 72
