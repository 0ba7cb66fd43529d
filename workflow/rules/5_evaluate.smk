# A trained model and its fold's test part in; predictions and metrics with intervals out.
#
#   score_oracle        simulated sites: the truth's hazards on a task's rows -> oracle
#   evaluate_model      scores, threshold, bootstrap -> predictions, validation, metrics
#   evaluate_forecast   the likeliest labels of the visits ahead -> the same files
#   evaluate_next_visit the likeliest labels and the days at every visit -> the same files, strata
#   evaluate_as_used    case-control models on the landmark rows of the test part -> as_used, its curves
#   measure_reach       recurrent networks: the gradient at every state by distance from the end -> reach
#   measure_repetition  of the next visit: the entropy after one code again and again -> repetition
#   explain_model       what each code adds to the logits of the test part -> importance
#   measure_giveaways   whose windows hold the disease's own codes or its treatment -> giveaways
#   time_scoring        seconds to score one patient -> benchmarks/time_scoring


rule score_oracle:
    input:
        phenotype=lambda wildcards: PHENOTYPE_FILES[cohort_of(wildcards)],
        rows=lambda wildcards: f"results/2_cohort/{wildcards.site}/{cohort_of(wildcards)}/cohort.parquet",
        truth="results/1_ingest/{site}/truth.parquet",
        events="results/1_ingest/{site}/events.parquet",
        persons="results/1_ingest/{site}/persons.parquet",
        observation_periods="results/1_ingest/{site}/observation_periods.parquet",
        codes="results/1_ingest/{site}/codes.parquet",
    output:
        "results/5_evaluate/{site}/{task}/oracle.parquet",
    log:
        "results/logs/score_oracle/{site}/{task}.log",
    benchmark:
        "results/benchmarks/score_oracle/{site}/{task}.tsv"
    wildcard_constraints:
        task=either(WITH_ORACLE),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        site=lambda wildcards: only(wildcards.site, *SIMULATION),
        cohort=lambda wildcards: config["cohorts"][cohort_of(wildcards)],
        task=configured("tasks/{task}"),
        seed=RUN["seed"],
        parts=RUN["parts"],
        code=fingerprint("evaluate.oracle"),
    script:
        "../scripts/score_oracle.py"


rule evaluate_model:
    input:
        weights=weights_of,
        model=f"results/4_train/{STUDY}/model.json",
        visits="results/3_encode/{site}/{task}/{encoding}/visits.arrow",
        oracle=oracle_of,
        home=[],
    output:
        predictions=f"results/5_evaluate/{STUDY}/predictions.parquet",
        validation=f"results/5_evaluate/{STUDY}/validation.parquet",
        metrics=f"results/5_evaluate/{STUDY}/metrics.json",
    log:
        f"results/logs/evaluate_model/{STUDY}.log",
    benchmark:
        f"results/benchmarks/evaluate_model/{STUDY}.tsv"
    wildcard_constraints:
        task=either(ONSETS),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        task=configured("tasks/{task}"),
        parts=RUN["parts"],
        seed=RUN["seed"],
        draws=RUN["bootstrap"],
        code=fingerprint("evaluate.evaluate"),
    script:
        "../scripts/evaluate_model.py"


rule evaluate_forecast:
    input:
        weights=weights_of,
        model=f"results/4_train/{STUDY}/model.json",
        visits="results/3_encode/{site}/{task}/{encoding}/visits.arrow",
    output:
        predictions=f"results/5_evaluate/{STUDY}/predictions.parquet",
        validation=f"results/5_evaluate/{STUDY}/validation.parquet",
        metrics=f"results/5_evaluate/{STUDY}/metrics.json",
    log:
        f"results/logs/evaluate_forecast/{STUDY}.log",
    benchmark:
        f"results/benchmarks/evaluate_forecast/{STUDY}.tsv"
    wildcard_constraints:
        task=either(FORECASTS),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        parts=RUN["parts"],
        seed=RUN["seed"],
        draws=RUN["bootstrap"],
        code=fingerprint("evaluate.forecast"),
    script:
        "../scripts/evaluate_forecast.py"


rule evaluate_next_visit:
    input:
        weights=weights_of,
        model=f"results/4_train/{STUDY}/model.json",
        visits="results/3_encode/{site}/{task}/{encoding}/visits.arrow",
        labels=[],
    output:
        predictions=f"results/5_evaluate/{STUDY}/predictions.parquet",
        validation=f"results/5_evaluate/{STUDY}/validation.parquet",
        metrics=f"results/5_evaluate/{STUDY}/metrics.json",
        strata=f"results/5_evaluate/{STUDY}/strata.csv",
    log:
        f"results/logs/evaluate_next_visit/{STUDY}.log",
    benchmark:
        f"results/benchmarks/evaluate_next_visit/{STUDY}.tsv"
    wildcard_constraints:
        task=either(NEXT_VISITS),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        parts=RUN["parts"],
        seed=RUN["seed"],
        draws=RUN["bootstrap"],
        choi_compat=configured("tasks/{task}/choi_compat"),
        code=fingerprint("evaluate.next_visit"),
    script:
        "../scripts/evaluate_next_visit.py"


rule evaluate_as_used:
    input:
        weights=weights_of,
        model=f"results/4_train/{STUDY}/model.json",
        vocabulary="results/3_encode/{site}/{task}/{encoding}/vocabulary.parquet",
        predictions=f"results/5_evaluate/{STUDY}/predictions.parquet",
        metrics=f"results/5_evaluate/{STUDY}/metrics.json",
        visits=of_landmarks("results/3_encode/{site}/{task}/{encoding}/visits.arrow"),
        vocabularies=of_landmarks("results/3_encode/{site}/{task}/{encoding}/vocabulary.parquet"),
        outcomes=of_landmarks("results/2_cohort/{site}/{cohort}/outcomes.parquet"),
        evaluated=of_landmarks(f"results/5_evaluate/{STUDY}/metrics.json", trained=True),
    output:
        metrics=f"results/5_evaluate/{STUDY}/as_used.json",
        curves=f"results/5_evaluate/{STUDY}/as_used_curves.csv",
    log:
        f"results/logs/evaluate_as_used/{STUDY}.log",
    benchmark:
        f"results/benchmarks/evaluate_as_used/{STUDY}.tsv"
    wildcard_constraints:
        task=either(LANDMARKS),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        landmarks=lambda wildcards: LANDMARKS[wildcards.task],
        trained=trained_on_landmark,
        parts=RUN["parts"],
        seed=RUN["seed"],
        draws=RUN["bootstrap"],
        code=fingerprint("evaluate.as_used"),
    script:
        "../scripts/evaluate_as_used.py"


rule measure_reach:
    input:
        weights=f"results/4_train/{STUDY}/model.safetensors",
        model=f"results/4_train/{STUDY}/model.json",
        visits="results/3_encode/{site}/{task}/{encoding}/visits.arrow",
        vectors=vectors_of,
    output:
        table=f"results/5_evaluate/{STUDY}/reach.csv",
        radii=f"results/5_evaluate/{STUDY}/reach.json",
    log:
        f"results/logs/measure_reach/{STUDY}.log",
    benchmark:
        f"results/benchmarks/measure_reach/{STUDY}.tsv"
    wildcard_constraints:
        task=either(ONSETS),
        model=either(of_kind("models", "recurrent")),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        code=fingerprint("evaluate.reach"),
    script:
        "../scripts/measure_reach.py"


rule measure_repetition:
    input:
        weights=f"results/4_train/{STUDY}/model.safetensors",
        model=f"results/4_train/{STUDY}/model.json",
        visits="results/3_encode/{site}/{task}/{encoding}/visits.arrow",
        vocabulary="results/3_encode/{site}/{task}/{encoding}/vocabulary.parquet",
    output:
        f"results/5_evaluate/{STUDY}/repetition.csv",
    log:
        f"results/logs/measure_repetition/{STUDY}.log",
    benchmark:
        f"results/benchmarks/measure_repetition/{STUDY}.tsv"
    wildcard_constraints:
        task=either(NEXT_VISITS),
        model=either(FORWARD),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        minimum_cell=RUN["minimum_cell"],
        code=fingerprint("evaluate.repetition"),
    script:
        "../scripts/measure_repetition.py"


rule explain_model:
    input:
        weights=weights_of,
        model=f"results/4_train/{STUDY}/model.json",
        visits="results/3_encode/{site}/{task}/{encoding}/visits.arrow",
        vocabulary="results/3_encode/{site}/{task}/{encoding}/vocabulary.parquet",
    output:
        table=f"results/5_evaluate/{STUDY}/importance.csv",
        accuracy=f"results/5_evaluate/{STUDY}/importance.json",
    log:
        f"results/logs/explain_model/{STUDY}.log",
    benchmark:
        f"results/benchmarks/explain_model/{STUDY}.tsv"
    wildcard_constraints:
        task=either(ONSETS),
        model=either(EXPLAINABLE),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        seed=RUN["seed"],
        draws=RUN["bootstrap"],
        minimum_cell=RUN["minimum_cell"],
        code=fingerprint("evaluate.importance"),
    script:
        "../scripts/explain_model.py"


rule measure_giveaways:
    input:
        cohort=lambda wildcards: f"results/2_cohort/{wildcards.site}/{cohort_of(wildcards)}/cohort.parquet",
        phenotype=lambda wildcards: PHENOTYPE_FILES[cohort_of(wildcards)],
        treatment=f"{PHENOTYPES}/loop_diuretics.yaml",
        events="results/1_ingest/{site}/events.parquet",
        codes="results/1_ingest/{site}/codes.parquet",
    output:
        "results/5_evaluate/{site}/{task}/giveaways.csv",
    log:
        "results/logs/measure_giveaways/{site}/{task}.log",
    benchmark:
        "results/benchmarks/measure_giveaways/{site}/{task}.tsv"
    wildcard_constraints:
        task=either(ONSETS),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        task=configured("tasks/{task}"),
        seed=RUN["seed"],
        draws=RUN["bootstrap"],
        code=fingerprint("evaluate.giveaways"),
    script:
        "../scripts/measure_giveaways.py"


# Seconds are of all that runs beside: with --cores 1 nothing does.
rule time_scoring:
    input:
        weights=weights_of,
        model=f"results/4_train/{STUDY}/model.json",
        visits="results/3_encode/{site}/{task}/{encoding}/visits.arrow",
    output:
        f"results/benchmarks/time_scoring/{STUDY}.csv",
    log:
        f"results/logs/time_scoring/{STUDY}.log",
    wildcard_constraints:
        task=either(ONSETS),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        code=fingerprint("evaluate.scoring_time"),
    script:
        "../scripts/time_scoring.py"


rule evaluate:
    input:
        grid(f"results/5_evaluate/{STUDY}/metrics.json"),
        as_used("as_used.json"),
        reach(),
        repetitions(),
        explanations(),
        giveaways(),
