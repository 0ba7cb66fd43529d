# Everything that was measured in; the tables and figures of the study out.
#
#   draw_figures   predictions, metrics, cohorts -> metrics.parquet, table_*.csv, fig_*.{svg,pdf}


def study():
    """What the figures show: the names that `run` asks for, with what they need to know of them."""
    return {
        "sites": {
            name: {"synthetic": config["sites"][name].get("records") != "real"}
            for name in RUN["sites"]
        },
        "tasks": {name: config["tasks"][name] for name in RUN["tasks"]},
        "encodings": RUN["encodings"],
        "models": RUN["models"],
        "folds": RUN["folds"],
        "seed": RUN["seed"],
        "draws": RUN["bootstrap"],
        "minimum_cell": RUN["minimum_cell"],
    }


def shown(name, category):
    """The vector graphic of a figure, with its caption, as the report shows it."""
    return report(
        f"results/7_figures/fig_{name}.svg",
        caption=f"../report/fig_{name}.rst",
        category=category,
        labels={"figure": name},
    )


def listed(name, category):
    """A table with its caption, as the report shows it."""
    return report(
        f"results/7_figures/table_{name}.csv",
        caption=f"../report/table_{name}.rst",
        category=category,
        labels={"table": name},
    )


rule draw_figures:
    input:
        grid("results/1_ingest/{site}/persons.parquet"),
        grid("results/2_cohort/{site}/{cohort}/attrition.csv"),
        grid("results/2_cohort/{site}/{cohort}/balance.csv"),
        grid("results/3_encode/{site}/{task}/{encoding}/visits.arrow"),
        grid(f"results/5_evaluate/{STUDY}/predictions.parquet"),
        grid(f"results/5_evaluate/{STUDY}/metrics.json"),
    output:
        shown("roc", "Prediction"),
        shown("calibration", "Prediction"),
        shown("attrition", "Cohort"),
        shown("love", "Cohort"),
        shown("cohort", "Cohort"),
        listed("metrics", "Prediction"),
        listed("cohort", "Cohort"),
        expand("results/7_figures/fig_{name}.pdf", name=FIGURE_NAMES),
        metrics="results/7_figures/metrics.parquet",
    log:
        "results/logs/draw_figures.log",
    benchmark:
        "results/benchmarks/draw_figures.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    params:
        study=study(),
        code=fingerprint("figures.draw_figures"),
    script:
        "../scripts/draw_figures.py"


rule figures:
    input:
        FIGURES,
