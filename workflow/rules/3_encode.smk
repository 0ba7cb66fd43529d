# A cohort and its site's events in; visits as sparse one-hot sequences out.
#
#   encode_visits    the visits of each window -> visits.arrow, vocabulary.parquet
#   encode_targets   whole records, with the labels of each visit -> labels.parquet besides


rule encode_visits:
    input:
        cohort=lambda wildcards: f"results/2_cohort/{wildcards.site}/{cohort_of(wildcards)}/cohort.parquet",
        phenotype=lambda wildcards: PHENOTYPE_FILES[cohort_of(wildcards)],
        events="results/1_ingest/{site}/events.parquet",
        codes="results/1_ingest/{site}/codes.parquet",
        ancestors="results/1_ingest/{site}/ancestors.parquet",
    output:
        visits="results/3_encode/{site}/{task}/{encoding}/visits.arrow",
        vocabulary="results/3_encode/{site}/{task}/{encoding}/vocabulary.parquet",
    log:
        "results/logs/encode_visits/{site}/{task}/{encoding}.log",
    benchmark:
        "results/benchmarks/encode_visits/{site}/{task}/{encoding}.tsv"
    wildcard_constraints:
        task=either(ONSETS),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        task=lookup("tasks/{task}", within=config),
        encoding=lookup("encodings/{encoding}", within=config),
        seed=RUN["seed"],
        parts=RUN["parts"],
        code=fingerprint("encode.encode"),
    script:
        "../scripts/encode_visits.py"


rule encode_targets:
    input:
        cohort=lambda wildcards: f"results/2_cohort/{wildcards.site}/{cohort_of(wildcards)}/cohort.parquet",
        events="results/1_ingest/{site}/events.parquet",
        codes="results/1_ingest/{site}/codes.parquet",
        ancestors="results/1_ingest/{site}/ancestors.parquet",
    output:
        visits="results/3_encode/{site}/{task}/{encoding}/visits.arrow",
        vocabulary="results/3_encode/{site}/{task}/{encoding}/vocabulary.parquet",
        labels="results/3_encode/{site}/{task}/{encoding}/labels.parquet",
    log:
        "results/logs/encode_targets/{site}/{task}/{encoding}.log",
    benchmark:
        "results/benchmarks/encode_targets/{site}/{task}/{encoding}.tsv"
    wildcard_constraints:
        task=either(FORECASTS),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        task=lookup("tasks/{task}", within=config),
        encoding=lookup("encodings/{encoding}", within=config),
        parts=RUN["parts"],
        code=fingerprint("encode.targets"),
    script:
        "../scripts/encode_targets.py"


rule encode:
    input:
        grid("results/3_encode/{site}/{task}/{encoding}/visits.arrow"),
