# Events and persons in; cases, controls and index dates out.
#
#   build_cohort   phenotype, criteria, matching -> cohort, matches, attrition, balance


rule build_cohort:
    input:
        phenotype=lambda wildcards: PHENOTYPE_FILES[wildcards.cohort],
        events="results/1_ingest/{site}/events.parquet",
        persons="results/1_ingest/{site}/persons.parquet",
        observation_periods="results/1_ingest/{site}/observation_periods.parquet",
        codes="results/1_ingest/{site}/codes.parquet",
    output:
        cohort="results/2_cohort/{site}/{cohort}/cohort.parquet",
        matches="results/2_cohort/{site}/{cohort}/matches.parquet",
        attrition="results/2_cohort/{site}/{cohort}/attrition.csv",
        balance="results/2_cohort/{site}/{cohort}/balance.csv",
    log:
        "results/logs/build_cohort/{site}/{cohort}.log",
    benchmark:
        "results/benchmarks/build_cohort/{site}/{cohort}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    params:
        cohort=lookup("cohorts/{cohort}", within=config),
        seed=RUN["seed"],
        parts=RUN["parts"],
        code=fingerprint("cohort.build"),
    script:
        "../scripts/build_cohort.py"


rule cohort:
    input:
        grid("results/2_cohort/{site}/{cohort}/cohort.parquet"),
