"""The networks: what stands between a batch of visit sequences and a score."""
