# What every stage made in; what a reviewer would ask of it, answered, out.
#
#   check_windows   does any input hold what is not known at the time of prediction
#   check_matching  is a case-control cohort matched as its section says, and well
#   check_splits    is nobody on both sides, and was nothing fitted outside its parts
#   run_canaries    data in which the answer is known, through stages 3 to 5: is it found
#   test_in_time    is a model of earlier years worth as much in later ones; in_time.json besides
#   check_as_used   what is a case-control model worth among everybody at risk
#   check_privacy   does what is shared tell of a person: ids, dates, small numbers
#   pass_privacy    fails where it does
#   fill_sheets     TRIPOD+AI, PROBAST+AI and RECORD, answered from the results
#   write_audit     the findings of all checks -> audit.csv, audit.html
#   pass_audit      audit.csv -> passed.json, which the figures wait for; fails where a check failed
#
# A check is a rule whose output `findings` is results/audit/<rule>/<wildcards>/findings.json. What of
# these the study asks for stands in audited.smk.


rule check_windows:
    input:
        rows=lambda wildcards: f"results/2_cohort/{wildcards.site}/{cohort_of(wildcards)}/cohort.parquet",
        phenotype=phenotype_of,
        events="results/1_ingest/{site}/events.parquet",
        persons="results/1_ingest/{site}/persons.parquet",
        codes="results/1_ingest/{site}/codes.parquet",
        visits="results/3_encode/{site}/{task}/{encoding}/visits.arrow",
        vocabulary="results/3_encode/{site}/{task}/{encoding}/vocabulary.parquet",
    output:
        findings=f"{WINDOW_CHECK}/findings.json",
        alignment=f"{WINDOW_CHECK}/alignment.csv",
    log:
        "results/logs/check_windows/{site}/{task}/{encoding}.log",
    benchmark:
        "results/benchmarks/check_windows/{site}/{task}/{encoding}.tsv"
    wildcard_constraints:
        task=either(ONSETS),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        task=configured("tasks/{task}"),
        encoding=of_encoding(VISIT_KEYS),
        cohort=lambda wildcards: config["cohorts"][cohort_of(wildcards)],
        draws=RUN["bootstrap"],
        seed=RUN["seed"],
        minimum_cell=RUN["minimum_cell"],
        code=fingerprint("audit.windows"),
    script:
        "../scripts/check_windows.py"


rule check_matching:
    input:
        rows="results/2_cohort/{site}/{cohort}/cohort.parquet",
        matches="results/2_cohort/{site}/{cohort}/matches.parquet",
        attrition="results/2_cohort/{site}/{cohort}/attrition.csv",
        balance="results/2_cohort/{site}/{cohort}/balance.csv",
        events="results/1_ingest/{site}/events.parquet",
        persons="results/1_ingest/{site}/persons.parquet",
    output:
        findings=f"{MATCHING_CHECK}/findings.json",
    log:
        "results/logs/check_matching/{site}/{cohort}.log",
    benchmark:
        "results/benchmarks/check_matching/{site}/{cohort}.tsv"
    wildcard_constraints:
        cohort=either(of_kind("cohorts", "case_control")),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        cohort=population_of,
        draws=RUN["bootstrap"],
        seed=RUN["seed"],
        minimum_cell=RUN["minimum_cell"],
        code=fingerprint("audit.matching"),
    script:
        "../scripts/check_matching.py"


rule check_splits:
    input:
        grid("results/2_cohort/{site}/{cohort}/cohort.parquet"),
        grid("results/3_encode/{site}/{task}/{encoding}/visits.arrow"),
        grid(VECTORS, encoding=[name for name in RUN["encodings"] if name in WITH_VECTORS]),
        grid("results/1_ingest/{site}/events.parquet"),
        grid(f"results/4_train/{STUDY}/model.json"),
        grid(f"results/5_evaluate/{STUDY}/predictions.parquet"),
        grid(f"results/5_evaluate/{STUDY}/validation.parquet"),
        abroad("predictions.parquet"),
    output:
        findings=f"{SPLITS_CHECK}/findings.json",
        manifest=f"{SPLITS_CHECK}/manifest.csv",
    log:
        "results/logs/check_splits.log",
    benchmark:
        "results/benchmarks/check_splits.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    params:
        study=splits(),
        code=fingerprint("audit.splits"),
    script:
        "../scripts/check_splits.py"


rule run_canaries:
    input:
        cohort=lambda wildcards: f"results/2_cohort/{wildcards.site}/{cohort_of(wildcards)}/cohort.parquet",
        phenotype=lambda wildcards: PHENOTYPE_FILES[cohort_of(wildcards)],
        events="results/1_ingest/{site}/events.parquet",
        codes="results/1_ingest/{site}/codes.parquet",
        ancestors="results/1_ingest/{site}/ancestors.parquet",
    output:
        findings="results/audit/run_canaries/{site}/{task}/{encoding}/findings.json",
    log:
        "results/logs/run_canaries/{site}/{task}/{encoding}.log",
    benchmark:
        "results/benchmarks/run_canaries/{site}/{task}/{encoding}.tsv"
    wildcard_constraints:
        task=either(task for task, *_ in TRAINED_ANEW),
        encoding=either(encoding for _, encoding, _ in TRAINED_ANEW),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        task=configured("tasks/{task}"),
        encoding=configured("encodings/{encoding}"),
        model=lambda wildcards: next(iter(trained_anew(wildcards).values())),
        fold=lambda wildcards: RUN["folds"][0],
        parts=RUN["parts"],
        seed=RUN["seed"],
        draws=RUN["bootstrap"],
        minimum_cell=RUN["minimum_cell"],
        code=fingerprint("audit.canaries"),
    script:
        "../scripts/run_canaries.py"


rule test_in_time:
    input:
        cohort=lambda wildcards: f"results/2_cohort/{wildcards.site}/{cohort_of(wildcards)}/cohort.parquet",
        phenotype=lambda wildcards: PHENOTYPE_FILES[cohort_of(wildcards)],
        events="results/1_ingest/{site}/events.parquet",
        codes="results/1_ingest/{site}/codes.parquet",
        ancestors="results/1_ingest/{site}/ancestors.parquet",
        metrics=evaluated_models,
    output:
        findings="results/audit/test_in_time/{site}/{task}/{encoding}/findings.json",
        in_time="results/audit/test_in_time/{site}/{task}/{encoding}/in_time.json",
    log:
        "results/logs/test_in_time/{site}/{task}/{encoding}.log",
    benchmark:
        "results/benchmarks/test_in_time/{site}/{task}/{encoding}.tsv"
    wildcard_constraints:
        task=either(task for task, *_ in TRAINED_ANEW),
        encoding=either(encoding for _, encoding, _ in TRAINED_ANEW),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        task=configured("tasks/{task}"),
        encoding=configured("encodings/{encoding}"),
        models=trained_anew,
        fold=lambda wildcards: RUN["folds"][0],
        parts=RUN["parts"],
        seed=RUN["seed"],
        draws=RUN["bootstrap"],
        minimum_cell=RUN["minimum_cell"],
        code=fingerprint("audit.in_time"),
    script:
        "../scripts/test_in_time.py"


rule check_as_used:
    input:
        results=lambda wildcards: expand(
            f"results/5_evaluate/{STUDY}/as_used.json",
            **wildcards,
            model=models_as_used(wildcards),
            fold=RUN["folds"][0],
        ),
        onset_before=of_landmarks("results/2_cohort/{site}/{cohort}/onset_before.csv"),
    output:
        findings=f"{AS_USED_CHECK}/findings.json",
    log:
        "results/logs/check_as_used/{site}/{task}/{encoding}.log",
    benchmark:
        "results/benchmarks/check_as_used/{site}/{task}/{encoding}.tsv"
    wildcard_constraints:
        task=either(LANDMARKS),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        models=models_as_used,
        landmarks=lambda wildcards: LANDMARKS[wildcards.task],
        prediction_months=configured("tasks/{task}/prediction_months"),
        minimum_cell=RUN["minimum_cell"],
        code=fingerprint("audit.as_used"),
    script:
        "../scripts/check_as_used.py"


rule write_audit:
    input:
        lambda wildcards: findings(),
    output:
        page=report(
            "results/7_figures/audit.html",
            caption="../report/audit.rst",
            category="Audit",
            labels={"page": "audit"},
        ),
        table=report(
            "results/7_figures/audit.csv",
            caption="../report/audit.rst",
            category="Audit",
            labels={"table": "audit"},
        ),
    log:
        "results/logs/write_audit.log",
    benchmark:
        "results/benchmarks/write_audit.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    params:
        checks=lambda wildcards: checks(),
        synthetic={name: is_synthetic(name) for name in RUN["sites"]},
        code=fingerprint("audit.table"),
    script:
        "../scripts/write_audit.py"


rule pass_audit:
    input:
        table="results/7_figures/audit.csv",
    output:
        passed="results/audit/passed.json",
    log:
        "results/logs/pass_audit.log",
    benchmark:
        "results/benchmarks/pass_audit.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    params:
        on_failure=RUN["audit"],
        code=fingerprint("audit.gate"),
    script:
        "../scripts/pass_audit.py"


rule audit:
    input:
        AUDIT,


rule fill_sheets:
    input:
        [path for path in FIGURES if path.endswith((".csv", ".parquet"))],
        grid("results/1_ingest/{site}/summary.json"),
        grid("results/3_encode/{site}/{task}/{encoding}/vocabulary.parquet"),
        grid(f"results/4_train/{STUDY}/model.json", task=run_tasks("onset")),
        audit="results/7_figures/audit.csv",
        phenotypes=PHENOTYPE_FILES.values(),
    output:
        [listed(name, "Audit") for name in ("tripod_ai", "probast_ai", "record")],
    log:
        "results/logs/fill_sheets.log",
    benchmark:
        "results/benchmarks/fill_sheets.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    params:
        study=study(),
        sections={
            "sites": {site: only(site, "source") for site in RUN["sites"]},
            "cohorts": {name: config["cohorts"][name] for name in COHORTS},
        },
        with_phenotype=list(PHENOTYPE_FILES),
        code=fingerprint("audit.sheets"),
    script:
        "../scripts/fill_sheets.py"


# After everything that it reads, which it cannot keep from being written: it says what is in it.
rule check_privacy:
    input:
        FIGURES,
        AUDIT,
        SHEETS,
        [list(files.values()) for files in of_sites("persons", "events", "codes").values()],
        phenotypes=sorted(set(PHENOTYPE_FILES.values())),
    output:
        findings="results/audit/check_privacy/findings.json",
        table=report(
            "results/7_figures/audit_privacy.csv",
            caption="../report/audit_privacy.rst",
            category="Audit",
            labels={"table": "privacy"},
        ),
    log:
        "results/logs/check_privacy.log",
    benchmark:
        "results/benchmarks/check_privacy.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    params:
        shared=["results/7_figures", "results/8_export/model"],
        sites=of_sites("persons", "events", "codes"),
        synthetic={name: is_synthetic(name) for name in RUN["sites"]},
        minimum_cell=RUN["minimum_cell"],
        code=fingerprint("audit.privacy"),
    script:
        "../scripts/check_privacy.py"


rule pass_privacy:
    input:
        findings="results/audit/check_privacy/findings.json",
    output:
        passed="results/audit/passed_privacy.json",
    log:
        "results/logs/pass_privacy.log",
    benchmark:
        "results/benchmarks/pass_privacy.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    params:
        on_failure=RUN["audit"],
        code=fingerprint("audit.privacy"),
    script:
        "../scripts/pass_privacy.py"
