# A cohort and its site's events in; visits as sparse one-hot sequences out.
#
#   encode_visits        the visits of each window -> visits.arrow, vocabulary.parquet
#   encode_targets       whole records, with the labels of each visit -> labels.parquet besides
#   train_site_vectors   skip-gram vectors of a site's codes, for a fold -> vectors.parquet
#   place_vectors        those of the codes of a task's vocabulary -> vectors.safetensors
#   train_vectors        the same file, learned from the task's windows alone


rule encode_visits:
    input:
        cohort=lambda wildcards: f"results/2_cohort/{wildcards.site}/{cohort_of(wildcards)}/cohort.parquet",
        phenotype=phenotype_of,
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
        task=configured("tasks/{task}"),
        encoding=of_encoding(VISIT_KEYS),
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
        task=either([*FORECASTS, *NEXT_VISITS]),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        task=before_scoring,
        encoding=of_encoding(VISIT_KEYS),
        parts=RUN["parts"],
        code=fingerprint("encode.targets"),
    script:
        "../scripts/encode_targets.py"


rule train_site_vectors:
    input:
        events="results/1_ingest/{site}/events.parquet",
        codes="results/1_ingest/{site}/codes.parquet",
        ancestors="results/1_ingest/{site}/ancestors.parquet",
    output:
        vectors=SITE_VECTORS,
    log:
        "results/logs/train_site_vectors/{site}/{encoding}/fold{fold}.log",
    benchmark:
        "results/benchmarks/train_site_vectors/{site}/{encoding}/fold{fold}.tsv"
    wildcard_constraints:
        encoding=either(with_corpus("site")),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        encoding=of_encoding(SITE_KEYS),
        parts=RUN["parts"],
        seed=RUN["seed"],
        code=fingerprint("encode.skipgram"),
    script:
        "../scripts/train_site_vectors.py"


rule place_vectors:
    input:
        vectors=SITE_VECTORS,
        vocabulary="results/3_encode/{site}/{task}/{encoding}/vocabulary.parquet",
    output:
        vectors=VECTORS,
    log:
        "results/logs/place_vectors/{site}/{task}/{encoding}/fold{fold}.log",
    benchmark:
        "results/benchmarks/place_vectors/{site}/{task}/{encoding}/fold{fold}.tsv"
    wildcard_constraints:
        encoding=either(with_corpus("site")),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        code=fingerprint("encode.vectors"),
    script:
        "../scripts/place_vectors.py"


rule train_vectors:
    input:
        visits="results/3_encode/{site}/{task}/{encoding}/visits.arrow",
        vocabulary="results/3_encode/{site}/{task}/{encoding}/vocabulary.parquet",
    output:
        vectors=VECTORS,
    log:
        "results/logs/train_vectors/{site}/{task}/{encoding}/fold{fold}.log",
    benchmark:
        "results/benchmarks/train_vectors/{site}/{task}/{encoding}/fold{fold}.tsv"
    wildcard_constraints:
        encoding=either(with_corpus("cohort")),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        encoding=of_encoding(LEARNING_KEYS),
        parts=RUN["parts"],
        seed=RUN["seed"],
        code=fingerprint("encode.skipgram"),
    script:
        "../scripts/train_vectors.py"


rule encode:
    input:
        grid("results/3_encode/{site}/{task}/{encoding}/visits.arrow"),
        grid(VECTORS, encoding=[name for name in RUN["encodings"] if name in WITH_VECTORS]),
