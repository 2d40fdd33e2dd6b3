"""The settings of the runs that are killed and resumed; the fork server parses them once."""

SMALL = (
    "callbacks.progress.style=lines",
    "trainer=cpu",
    "data=random",
    "data.source.num_train=52",
    "data.source.num_val=20",
    "data.source.num_test=20",
    "data.source.num_steps=4",
    "data.source.num_features=3",
    "data.source.num_classes=3",
    "data.batch_size=8",  # 7 batches, the last one smaller
    "model=rnn",
    "recipe.lr=3e-3",
    "model.hidden_size=6",
    "model.num_layers=2",
    "model.dropout=0.4",
    "trainer.max_epochs=4",
    "checkpoint.min_seconds=0",  # epochs take milliseconds
    "~callbacks.tensorboard_views",  # pictures take a third of the time of such a run
)
