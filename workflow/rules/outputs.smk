# The tables and figures of the study, and how the report shows them. No rules.

#: What the report calls a figure whose file has a shorter name.
TITLES = {
    "roc": "ROC curves",
    "love": "balance (Love plot)",
    "alignment": "years of cases and controls",
    "encodings": "AUROC by encoding",
    "windows": "AUROC by window",
    "schematic_visits": "visits as vectors",
    "schematic_network": "network",
    "schematic_windows": "windows",
    "timing_training": "seconds of training",
    "strata": "number of visits",
    "schematic_next_visit": "network that predicts the next visit",
    "next_visit_recall": "recall by visits read",
    "next_visit_frequency": "recall by frequency of the label",
    "next_visit_labels": "recall by number of labels",
    "next_visit_entropy": "entropy as a code is repeated",
    "transfer_matrix": "from site to site",
    "transfer_fraction": "by share of the target's training part",
    "transfer_curve": "by epoch, pre-trained and from scratch",
    "transfer_coverage": "codes that the other site knows",
    "as_used": "the score as it would be used",
    "transfer_calibration": "calibration at the target",
}


def shown(name, category):
    """The vector graphic of a figure, with its caption, as the report shows it."""
    return report(
        f"results/7_figures/fig_{name}.svg",
        caption=f"../report/fig_{name}.rst",
        category=category,
        labels={"figure": TITLES.get(name, name)},
    )


def listed(name, category):
    """A table with its caption, as the report shows it."""
    return report(
        f"results/7_figures/table_{name}.csv",
        caption=f"../report/table_{name}.rst",
        category=category,
        labels={"table": name},
    )


FIGURE_NAMES = [
    *["roc", "calibration", "strata", "subgroups"],
    *["attrition", "love", "alignment", "cohort", "reach", "importance"],
]
TABLE_NAMES = [
    *["metrics", "comparisons", "delong", "variance", "strata", "subgroups"],
    *["cohort", "reach", "importance", "errors", "giveaways"],
]
# Drawn only where the study has a forecast.
FORECAST_FIGURES = ["forecast"] if run_tasks("forecast") else []
# The figures and tables of the heart-failure paper, by the report's chapter.
PAPER_FIGURES = {
    "encodings": "Prediction",
    "windows": "Prediction",
    "schematic_visits": "Method",
    "schematic_network": "Method",
    "schematic_windows": "Method",
    **({"timing_training": "Networks"} if RUN["training_sizes"] else {}),
}
PAPER_TABLES = {
    "observation": "Prediction",
    "prediction": "Prediction",
    "timing_scoring": "Networks",
}
# The figures and tables of Doctor AI, where the study predicts next visits.
NEXT_VISIT_FIGURES = [
    "schematic_next_visit",
    *[f"next_visit_{what}" for what in ("recall", "frequency", "labels", "entropy")],
]
NEXT_VISIT_FIGURES = NEXT_VISIT_FIGURES if run_tasks("next_visit") else []
NEXT_VISIT_TABLES = ["next_visit_data", "next_visit"] if run_tasks("next_visit") else []
# Only where a task asks for it.
NEXT_VISIT_TABLES += ["choi_compat"] if CHOI_COMPAT else []
# The score as it would be used, where the study has a landmark cohort beside cases and controls.
AS_USED_OUTPUTS = ["as_used"] if AS_USED else []
# The figures and tables of models that move from site to site, where the study moves any.
TRANSFER_FIGURES = [
    f"transfer_{what}" for what in ("matrix", "fraction", "curve", "coverage", "calibration")
]
TRANSFER_FIGURES = TRANSFER_FIGURES if TRANSFERRED else []
TRANSFER_TABLES = ["transfer", "coverage"] if TRANSFERRED else []
# What the audit trained anew.
AUDIT_TABLES = ["in_time"] if TRAINED_ANEW else []
FIGURES = [
    "results/7_figures/metrics.parquet",
    *expand("results/7_figures/table_{name}.csv", name=TABLE_NAMES),
    *expand("results/7_figures/table_{name}.csv", name=[*PAPER_TABLES, *NEXT_VISIT_TABLES]),
    *expand("results/7_figures/table_{name}.csv", name=[*TRANSFER_TABLES, *AUDIT_TABLES]),
    *expand("results/7_figures/table_{name}.csv", name=AS_USED_OUTPUTS),
    *expand(
        "results/7_figures/fig_{name}.{format}",
        name=[*FIGURE_NAMES, *FORECAST_FIGURES, *PAPER_FIGURES, *NEXT_VISIT_FIGURES]
        + [*TRANSFER_FIGURES, *AS_USED_OUTPUTS],
        format=["svg", "pdf"],
    ),
]
# The sheets of the reporting guidelines, filled from the results.
SHEETS = expand("results/7_figures/table_{name}.csv", name=["tripod_ai", "probast_ai", "record"])
# What the check of privacy writes, after everything else.
PRIVACY = ["results/7_figures/audit_privacy.csv", "results/audit/passed_privacy.json"]
# What the audit writes; the last is what the figures wait for.
AUDIT = [
    "results/7_figures/audit.csv",
    "results/7_figures/audit.html",
    "results/audit/passed.json",
]
