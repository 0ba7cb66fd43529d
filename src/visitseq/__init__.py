"""Recurrent-network experiments on patient visits, from OMOP records to figures.

One package a stage, in the order in which the data passes through them:
``simulate``, ``ingest``, ``cohort``, ``encode``, ``train`` (with ``models``), ``evaluate``,
``figures``. ``tables`` holds the contracts between them. Nothing here knows of Snakemake.
"""

__version__ = "0.1.0"
