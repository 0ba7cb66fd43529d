# A model of one hospital and the encoded visits of another in; what it is worth there out.
#
#   translate_visits            the target's visits in the source's vocabulary -> visits, coverage
#   translate_targets           the same where visits are asked, with their labels
#   translate_vectors           the target's vectors of a fold, in that vocabulary
#   evaluate_abroad             evaluate_model, on those visits -> zero_shot
#   evaluate_next_visit_abroad  evaluate_next_visit, likewise
#   transfer_model              its last layer or all of it trained on, and from scratch -> predictions,
#                               metrics, curve
#   transfer_next_visit         the same where visits are predicted


rule translate_visits:
    input:
        visits="results/3_encode/{target}/{task}/{encoding}/visits.arrow",
        vocabulary="results/3_encode/{target}/{task}/{encoding}/vocabulary.parquet",
        source_vocabulary=of_source("3_encode", "vocabulary.parquet"),
        source_visits=source_visits,
        ancestors="results/1_ingest/{target}/ancestors.parquet",
        mapping=lambda wildcards: MAPPINGS.get((wildcards.source, wildcards.target), []),
    output:
        visits=f"{TRANSLATED}/visits.arrow",
        vocabulary=f"{TRANSLATED}/vocabulary.parquet",
        ancestors=f"{TRANSLATED}/ancestors.parquet",
        coverage=f"{TRANSLATED}/coverage.json",
    log:
        "results/logs/translate_visits/{source}_to_{target}/{task}/{encoding}.log",
    benchmark:
        "results/benchmarks/translate_visits/{source}_to_{target}/{task}/{encoding}.tsv"
    wildcard_constraints:
        task=either(ONSETS),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        same_persons=are_the_same,
        code=fingerprint("transfer.translate"),
    script:
        "../scripts/translate_visits.py"


use rule translate_visits as translate_targets with:
    input:
        visits="results/3_encode/{target}/{task}/{encoding}/visits.arrow",
        vocabulary="results/3_encode/{target}/{task}/{encoding}/vocabulary.parquet",
        labels="results/3_encode/{target}/{task}/{encoding}/labels.parquet",
        source_vocabulary=of_source("3_encode", "vocabulary.parquet"),
        source_labels=of_source("3_encode", "labels.parquet"),
        source_visits=source_visits,
        ancestors="results/1_ingest/{target}/ancestors.parquet",
        mapping=lambda wildcards: MAPPINGS.get((wildcards.source, wildcards.target), []),
    output:
        visits=f"{TRANSLATED}/visits.arrow",
        vocabulary=f"{TRANSLATED}/vocabulary.parquet",
        labels=f"{TRANSLATED}/labels.parquet",
        ancestors=f"{TRANSLATED}/ancestors.parquet",
        coverage=f"{TRANSLATED}/coverage.json",
    log:
        "results/logs/translate_targets/{source}_to_{target}/{task}/{encoding}.log",
    benchmark:
        "results/benchmarks/translate_targets/{source}_to_{target}/{task}/{encoding}.tsv"
    wildcard_constraints:
        task=either(NEXT_VISITS),


rule translate_vectors:
    input:
        vectors="results/3_encode/{target}/{task}/{encoding}/fold{fold}/vectors.safetensors",
        own_vocabulary="results/3_encode/{target}/{task}/{encoding}/vocabulary.parquet",
        vocabulary=f"{TRANSLATED}/vocabulary.parquet",
        mapping=lambda wildcards: MAPPINGS.get((wildcards.source, wildcards.target), []),
    output:
        vectors=f"{TRANSLATED}/fold{{fold}}/vectors.safetensors",
    log:
        "results/logs/translate_vectors/{source}_to_{target}/{task}/{encoding}/fold{fold}.log",
    benchmark:
        "results/benchmarks/translate_vectors/{source}_to_{target}/{task}/{encoding}/fold{fold}.tsv"
    wildcard_constraints:
        encoding=either(WITH_VECTORS),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        code=fingerprint("transfer.vectors"),
    script:
        "../scripts/translate_vectors.py"


use rule evaluate_model as evaluate_abroad with:
    input:
        weights=source_weights,
        model=of_source("4_train", "model.json"),
        visits=f"{TRANSLATED}/visits.arrow",
        oracle=lambda wildcards: oracle_at(wildcards.target, wildcards),
        home=of_source("5_evaluate", "metrics.json"),
    output:
        predictions=f"results/6_transfer/{ABROAD}/zero_shot/predictions.parquet",
        validation=f"results/6_transfer/{ABROAD}/zero_shot/validation.parquet",
        metrics=f"results/6_transfer/{ABROAD}/zero_shot/metrics.json",
    log:
        f"results/logs/evaluate_abroad/{ABROAD}.log",
    benchmark:
        f"results/benchmarks/evaluate_abroad/{ABROAD}.tsv"


use rule evaluate_next_visit as evaluate_next_visit_abroad with:
    input:
        weights=source_weights,
        model=of_source("4_train", "model.json"),
        visits=f"{TRANSLATED}/visits.arrow",
        labels=f"{TRANSLATED}/labels.parquet",
    output:
        predictions=f"results/6_transfer/{ABROAD}/zero_shot/predictions.parquet",
        validation=f"results/6_transfer/{ABROAD}/zero_shot/validation.parquet",
        metrics=f"results/6_transfer/{ABROAD}/zero_shot/metrics.json",
        strata=f"results/6_transfer/{ABROAD}/zero_shot/strata.csv",
    log:
        f"results/logs/evaluate_next_visit_abroad/{ABROAD}.log",
    benchmark:
        f"results/benchmarks/evaluate_next_visit_abroad/{ABROAD}.tsv"
    params:
        parts=RUN["parts"],
        seed=RUN["seed"],
        draws=RUN["bootstrap"],
        choi_compat=False,
        code=fingerprint("evaluate.next_visit"),


rule transfer_model:
    input:
        weights=source_weights,
        model=of_source("4_train", "model.json"),
        visits=f"{TRANSLATED}/visits.arrow",
        vocabulary=f"{TRANSLATED}/vocabulary.parquet",
        ancestors=f"{TRANSLATED}/ancestors.parquet",
        vectors=vectors_abroad,
        predictions=f"results/6_transfer/{ABROAD}/zero_shot/predictions.parquet",
        validation=f"results/6_transfer/{ABROAD}/zero_shot/validation.parquet",
        zero_shot=f"results/6_transfer/{ABROAD}/zero_shot/metrics.json",
    output:
        predictions=f"results/6_transfer/{ABROAD}/predictions.parquet",
        metrics=f"results/6_transfer/{ABROAD}/metrics.json",
        curve=f"results/6_transfer/{ABROAD}/curve.csv",
    log:
        f"results/logs/transfer_model/{ABROAD}.log",
    benchmark:
        f"results/benchmarks/transfer_model/{ABROAD}.tsv"
    wildcard_constraints:
        task=either(ONSETS),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        pair=arms_of_pair,
        task=configured("tasks/{task}"),
        encoding=configured("encodings/{encoding}"),
        parts=RUN["parts"],
        seed=RUN["seed"],
        draws=RUN["bootstrap"],
        code=fingerprint("transfer.onset"),
    script:
        "../scripts/transfer_model.py"


rule transfer_next_visit:
    input:
        weights=source_weights,
        model=of_source("4_train", "model.json"),
        visits=f"{TRANSLATED}/visits.arrow",
        vocabulary=f"{TRANSLATED}/vocabulary.parquet",
        labels=f"{TRANSLATED}/labels.parquet",
        ancestors=f"{TRANSLATED}/ancestors.parquet",
        vectors=vectors_abroad,
        predictions=f"results/6_transfer/{ABROAD}/zero_shot/predictions.parquet",
        zero_shot=f"results/6_transfer/{ABROAD}/zero_shot/metrics.json",
    output:
        predictions=f"results/6_transfer/{ABROAD}/predictions.parquet",
        metrics=f"results/6_transfer/{ABROAD}/metrics.json",
        curve=f"results/6_transfer/{ABROAD}/curve.csv",
    log:
        f"results/logs/transfer_next_visit/{ABROAD}.log",
    benchmark:
        f"results/benchmarks/transfer_next_visit/{ABROAD}.tsv"
    wildcard_constraints:
        task=either(NEXT_VISITS),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        pair=arms_of_pair,
        task=before_scoring,
        encoding=configured("encodings/{encoding}"),
        parts=RUN["parts"],
        seed=RUN["seed"],
        draws=RUN["bootstrap"],
        code=fingerprint("transfer.next_visit"),
    script:
        "../scripts/transfer_next_visit.py"


rule transfer:
    input:
        abroad("zero_shot/metrics.json", MOVED),
        abroad("metrics.json"),
