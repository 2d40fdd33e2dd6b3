"""Run folders side by side: statistics over seeds and folds, baselines, tables in four formats."""
