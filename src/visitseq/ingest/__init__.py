"""Stage 1: the records of a hospital as one table of events, every dropped row counted."""
