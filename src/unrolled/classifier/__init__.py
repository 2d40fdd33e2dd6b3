"""The LightningModule and the parts that only it needs."""
