"""Everything that works before torch is imported: composing, checking and naming configs."""
