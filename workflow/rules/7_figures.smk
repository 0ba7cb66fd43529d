# Everything that was measured in; the tables and figures of the study out.
#
#   draw_figures   predictions, metrics, cohorts -> metrics.parquet, table_*.csv, fig_*.{svg,pdf}


rule draw_figures:
    input:
        grid("results/1_ingest/{site}/persons.parquet"),
        grid("results/2_cohort/{site}/{cohort}/cohort.parquet"),
        grid("results/2_cohort/{site}/{cohort}/attrition.csv"),
        grid("results/2_cohort/{site}/{cohort}/balance.csv", cohort=MATCHED),
        grid("results/3_encode/{site}/{task}/{encoding}/visits.arrow"),
        grid(f"results/5_evaluate/{STUDY}/predictions.parquet"),
        grid(f"results/5_evaluate/{STUDY}/metrics.json"),
        oracles(),
        reach(),
        scoring_times(),
        training_times(),
        grid("results/3_encode/{site}/{task}/{encoding}/vocabulary.parquet"),
        explanations(),
        giveaways(),
        grid(f"results/4_train/{STUDY}/model.json", task=run_tasks("next_visit")),
        grid(
            "results/3_encode/{site}/{task}/{encoding}/labels.parquet",
            task=run_tasks("next_visit"),
        ),
        repetitions(),
        as_used("as_used.json"),
        as_used("as_used_curves.csv"),
        grid(
            "results/2_cohort/{site}/{cohort}/cohort.parquet",
            cohort={config["tasks"][task]["cohort"] for _, task, *_ in AS_USED},
        ),
        coverages(),
        abroad("metrics.json"),
        abroad("curve.csv"),
        in_time_results(),
        alignments(),
        passed="results/audit/passed.json",
    output:
        shown("roc", "Prediction"),
        shown("calibration", "Prediction"),
        shown("strata", "Prediction"),
        shown("subgroups", "Prediction"),
        shown("attrition", "Cohort"),
        shown("love", "Cohort"),
        shown("alignment", "Audit"),
        shown("cohort", "Cohort"),
        shown("reach", "Networks"),
        shown("importance", "Explanation"),
        [shown(name, "Prediction") for name in FORECAST_FIGURES],
        [shown(name, chapter) for name, chapter in PAPER_FIGURES.items()],
        [shown(name, "Next visit") for name in NEXT_VISIT_FIGURES],
        [shown(name, "Transfer") for name in TRANSFER_FIGURES],
        [shown(name, "Audit") for name in AS_USED_OUTPUTS],
        [listed(name, "Audit") for name in AS_USED_OUTPUTS],
        listed("metrics", "Prediction"),
        listed("comparisons", "Prediction"),
        listed("delong", "Prediction"),
        listed("variance", "Prediction"),
        listed("strata", "Prediction"),
        listed("subgroups", "Prediction"),
        listed("cohort", "Cohort"),
        listed("reach", "Networks"),
        listed("importance", "Explanation"),
        listed("errors", "Explanation"),
        listed("giveaways", "Explanation"),
        [listed(name, chapter) for name, chapter in PAPER_TABLES.items()],
        [listed(name, "Next visit") for name in NEXT_VISIT_TABLES],
        [listed(name, "Transfer") for name in TRANSFER_TABLES],
        [listed(name, "Audit") for name in AUDIT_TABLES],
        expand(
            "results/7_figures/fig_{name}.pdf",
            name=[*FIGURE_NAMES, *FORECAST_FIGURES, *PAPER_FIGURES, *NEXT_VISIT_FIGURES]
            + [*TRANSFER_FIGURES, *AS_USED_OUTPUTS],
        ),
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
        code=fingerprint("figures.draw"),
    script:
        "../scripts/draw_figures.py"


rule figures:
    input:
        FIGURES,
