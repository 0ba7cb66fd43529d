# What every stage made in; what a reviewer would ask of it, answered, out.
#
# A check writes results/audit/<rule>/<wildcards>/findings.json.


# Models trained anew, of the study's first task of cases and controls with its first encoding, on
# its first fold.
#
#   run_canaries   data in which the answer is known, through stages 3 to 5 -> findings.json
#   test_in_time   learned from earlier years, tested in later ones -> findings.json, in_time.json


def canary_findings():
    return audited("run_canaries")


def in_time_findings():
    return audited("test_in_time")


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
        task=lookup("tasks/{task}", within=config),
        encoding=lookup("encodings/{encoding}", within=config),
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
        task=lookup("tasks/{task}", within=config),
        encoding=lookup("encodings/{encoding}", within=config),
        models=trained_anew,
        fold=lambda wildcards: RUN["folds"][0],
        parts=RUN["parts"],
        seed=RUN["seed"],
        draws=RUN["bootstrap"],
        minimum_cell=RUN["minimum_cell"],
        code=fingerprint("audit.in_time"),
    script:
        "../scripts/test_in_time.py"
