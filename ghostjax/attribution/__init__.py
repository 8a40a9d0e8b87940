"""Who moved the model, since when, and how much."""
