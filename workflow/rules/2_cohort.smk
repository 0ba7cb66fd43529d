# Events and persons in; who is studied and until when out.
#
#   build_cohort       phenotype, criteria, matching -> cohort, matches, attrition, balance
#   build_landmark     everybody at risk on each 1 January -> cohort, outcomes, attrition
#   build_population   everybody with visits enough -> cohort, attrition


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
    wildcard_constraints:
        cohort=either(of_kind("cohorts", "case_control")),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        cohort=configured("cohorts/{cohort}"),
        seed=RUN["seed"],
        parts=RUN["parts"],
        code=fingerprint("cohort.build"),
    script:
        "../scripts/build_cohort.py"


rule build_landmark:
    input:
        phenotype=lambda wildcards: PHENOTYPE_FILES[wildcards.cohort],
        events="results/1_ingest/{site}/events.parquet",
        persons="results/1_ingest/{site}/persons.parquet",
        observation_periods="results/1_ingest/{site}/observation_periods.parquet",
        codes="results/1_ingest/{site}/codes.parquet",
    output:
        cohort="results/2_cohort/{site}/{cohort}/cohort.parquet",
        outcomes="results/2_cohort/{site}/{cohort}/outcomes.parquet",
        attrition="results/2_cohort/{site}/{cohort}/attrition.csv",
        onset_before="results/2_cohort/{site}/{cohort}/onset_before.csv",
    log:
        "results/logs/build_landmark/{site}/{cohort}.log",
    benchmark:
        "results/benchmarks/build_landmark/{site}/{cohort}.tsv"
    wildcard_constraints:
        cohort=either(of_kind("cohorts", "landmark")),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        cohort=configured("cohorts/{cohort}"),
        seed=RUN["seed"],
        parts=RUN["parts"],
        code=fingerprint("cohort.landmark"),
    script:
        "../scripts/build_landmark.py"


rule build_population:
    input:
        events="results/1_ingest/{site}/events.parquet",
        persons="results/1_ingest/{site}/persons.parquet",
    output:
        cohort="results/2_cohort/{site}/{cohort}/cohort.parquet",
        attrition="results/2_cohort/{site}/{cohort}/attrition.csv",
    log:
        "results/logs/build_population/{site}/{cohort}.log",
    benchmark:
        "results/benchmarks/build_population/{site}/{cohort}.tsv"
    wildcard_constraints:
        cohort=either(of_kind("cohorts", "all")),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        cohort=population_of,
        seed=RUN["seed"],
        parts=RUN["parts"],
        code=fingerprint("cohort.population"),
    script:
        "../scripts/build_population.py"


rule cohort:
    input:
        grid("results/2_cohort/{site}/{cohort}/cohort.parquet"),
