"""The allowed words of settings, defined once: the early check and the code both use them."""

# data
LAYOUTS = ("rows", "columns", "pixels", "permuted")
PERMUTATIONS = ("torch_5544", "numpy_92916")  # published ones; any other is a seed
SPLITS = ("stratified", "random", "group", "time", "given")
STANDARDIZE_MODES = ("none", "global", "feature")
MISSING_MODES = ("refuse", "forward", "mean", "mask")
TRUNCATION_ENDS = ("head", "tail")
WINDOW_LABELS = ("refuse", "last", "majority", "any")
FORMS = ("long", "wide")

# training
METRICS = (
    "val/loss",
    "val/accuracy",
    "val/balanced_accuracy",
    "val/f1",
    "val/calibration_error",
    "val/vote_loss",
    "val/vote_accuracy",
    "val/vote_balanced_accuracy",
    "val/vote_f1",
)
TRAIN_METRICS = ("train/loss", "train/accuracy")  # early stopping can use them too
MONITOR_MODES = ("min", "max")
PROGRESS_STYLES = ("auto", "bar", "lines")
CALIBRATIONS = ("none", "temperature")
KEEP = ("all", "best", "none")  # checkpoints of the finished jobs of a sweep

# Lightning's Trainer
ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps", "tpu")
PRECISIONS = (
    *("32-true", "64-true", "16-mixed", "bf16-mixed", "16-true", "bf16-true"),
    *("transformer-engine", "transformer-engine-float16", "32", "64", "16", "bf16", 32, 64, 16),
)
STRATEGIES = ("auto", "ddp", "ddp_find_unused_parameters_false", "ddp_find_unused_parameters_true")
CLIP_ALGORITHMS = ("norm", "value")
PROFILERS = ("simple", "advanced", "pytorch", "xla")
DECIMAL_SIGNS = (".", ",")
