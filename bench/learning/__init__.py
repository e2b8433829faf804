"""Learning measured on real data: `python -m bench.learning`."""
