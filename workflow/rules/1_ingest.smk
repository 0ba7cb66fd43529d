# Records in, one table of events out.
#
#   simulate_site   a simulated hospital as an OMOP CDM
#   ingest_site     OMOP CDM (files, a SQL server, Spark) -> events, persons, observation periods,
#                   codes, ancestors, summary
#   ingest_meds     MEDS data set -> the same files
#   ingest_doctorai pickles of Doctor AI's released code -> the same files


rule simulate_site:
    output:
        expand("results/1_ingest/{{site}}/omop/{table}.parquet", table=OMOP_TABLES),
        truth="results/1_ingest/{site}/truth.parquet",
    log:
        "results/logs/simulate_site/{site}.log",
    benchmark:
        "results/benchmarks/simulate_site/{site}.tsv"
    conda:
        "../../environment.yml"
    threads: 2
    params:
        site=lambda wildcards: only(wildcards.site, *SIMULATION),
        code=fingerprint("simulate.site"),
    script:
        "../scripts/simulate_site.py"


rule ingest_site:
    input:
        records_of,
        phenotype=restricting("phenotype"),
        persons=restricting("persons"),
    output:
        events="results/1_ingest/{site}/events.parquet",
        persons="results/1_ingest/{site}/persons.parquet",
        observation_periods="results/1_ingest/{site}/observation_periods.parquet",
        codes="results/1_ingest/{site}/codes.parquet",
        ancestors="results/1_ingest/{site}/ancestors.parquet",
        summary="results/1_ingest/{site}/summary.json",
    log:
        "results/logs/ingest_site/{site}.log",
    benchmark:
        "results/benchmarks/ingest_site/{site}.tsv"
    wildcard_constraints:
        site=either(set(config["sites"]) - {*RELEASED, *IN_MEDS}),
    conda:
        "../../environment.yml"
    threads: 2
    resources:
        mem_mb=4000,
    params:
        site=lambda wildcards: only(wildcards.site, "schema", "domains", "latest_date"),
        place=place_of,
        restrict=restriction_of,
        code=fingerprint("ingest.site"),
    script:
        "../scripts/ingest_site.py"


rule ingest_meds:
    input:
        records_of,
    output:
        events="results/1_ingest/{site}/events.parquet",
        persons="results/1_ingest/{site}/persons.parquet",
        observation_periods="results/1_ingest/{site}/observation_periods.parquet",
        codes="results/1_ingest/{site}/codes.parquet",
        ancestors="results/1_ingest/{site}/ancestors.parquet",
        summary="results/1_ingest/{site}/summary.json",
    log:
        "results/logs/ingest_meds/{site}.log",
    benchmark:
        "results/benchmarks/ingest_meds/{site}.tsv"
    wildcard_constraints:
        site=either(IN_MEDS),
    conda:
        "../../environment.yml"
    threads: 2
    resources:
        mem_mb=4000,
    params:
        site=lambda wildcards: only(wildcards.site, "path", "domains", "sex_codes", "latest_date"),
        code=fingerprint("ingest.meds"),
    script:
        "../scripts/ingest_meds.py"


rule ingest_doctorai:
    input:
        records_of,
    output:
        events="results/1_ingest/{site}/events.parquet",
        persons="results/1_ingest/{site}/persons.parquet",
        observation_periods="results/1_ingest/{site}/observation_periods.parquet",
        codes="results/1_ingest/{site}/codes.parquet",
        ancestors="results/1_ingest/{site}/ancestors.parquet",
        summary="results/1_ingest/{site}/summary.json",
    log:
        "results/logs/ingest_doctorai/{site}.log",
    benchmark:
        "results/benchmarks/ingest_doctorai/{site}.tsv"
    wildcard_constraints:
        site=either(RELEASED),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        site=lambda wildcards: only(wildcards.site, "path", "times", "types", "vocabulary"),
        code=fingerprint("ingest.doctorai"),
    script:
        "../scripts/ingest_doctorai.py"


rule ingest:
    input:
        grid("results/1_ingest/{site}/summary.json"),
