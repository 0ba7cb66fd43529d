"""Stage 7: the tables and figures of the study."""
