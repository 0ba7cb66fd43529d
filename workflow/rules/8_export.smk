# Encoded visits and trained models in; what leaves the house out.
#
#   write_doctorai        the visits of a fold as Doctor AI's released code reads them -> pickles
#   write_meds            a site as a MEDS data set: the records themselves
#   write_meds_labels     the labels of a task beside it
#   write_meds_predictions  and what a model predicted of the test part
#   reduce_model          a model without the codes that few persons have; stays in stage 4
#   evaluate_exported     what that is worth, as every model is evaluated; stays in stage 5
#   write_model           the folder in which it leaves, without any record of a patient
#   refuse_export         what does not leave


rule write_doctorai:
    input:
        visits="results/3_encode/{site}/{task}/{encoding}/visits.arrow",
        vocabulary="results/3_encode/{site}/{task}/{encoding}/vocabulary.parquet",
        labels="results/3_encode/{site}/{task}/{encoding}/labels.parquet",
    output:
        expand(
            f"{DOCTORAI}/{{file}}.{{part}}",
            file=["visits", "labels", "times"],
            part=["train", "valid", "test"],
            allow_missing=True,
        ),
        types=f"{DOCTORAI}/visits.types",
        label_types=f"{DOCTORAI}/labels.types",
    log:
        "results/logs/write_doctorai/{site}/{task}/{encoding}/fold{fold}.log",
    benchmark:
        "results/benchmarks/write_doctorai/{site}/{task}/{encoding}/fold{fold}.tsv"
    wildcard_constraints:
        task=either(NEXT_VISITS),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        parts=RUN["parts"],
        code=fingerprint("export.doctorai"),
    script:
        "../scripts/write_doctorai.py"


rule export_doctorai:
    input:
        grid(f"{DOCTORAI}/visits.types", task=run_tasks("next_visit")),


rule write_meds:
    input:
        events="results/1_ingest/{site}/events.parquet",
        persons="results/1_ingest/{site}/persons.parquet",
        observation_periods="results/1_ingest/{site}/observation_periods.parquet",
        codes="results/1_ingest/{site}/codes.parquet",
        ancestors="results/1_ingest/{site}/ancestors.parquet",
    output:
        directory(f"{MEDS}/data"),
        expand(
            f"{MEDS}/metadata/{{file}}.parquet",
            file=["codes", "subject_splits"],
            allow_missing=True,
        ),
        dataset=f"{MEDS}/metadata/dataset.json",
    log:
        "results/logs/write_meds/{site}.log",
    benchmark:
        "results/benchmarks/write_meds/{site}.tsv"
    conda:
        "../../environment.yml"
    threads: 2
    resources:
        mem_mb=4000,
    params:
        synthetic=lambda wildcards: is_synthetic(wildcards.site),
        fold=next(iter(RUN["folds"]), 0),
        seed=RUN["seed"],
        parts=RUN["parts"],
        code=fingerprint("export.meds"),
    script:
        "../scripts/write_meds.py"


rule write_meds_labels:
    input:
        lambda wildcards: f"results/2_cohort/{wildcards.site}/{cohort_of(wildcards)}/cohort.parquet",
    output:
        labels=f"{MEDS}/labels/{{task}}/labels.parquet",
    log:
        "results/logs/write_meds_labels/{site}/{task}.log",
    benchmark:
        "results/benchmarks/write_meds_labels/{site}/{task}.tsv"
    wildcard_constraints:
        task=either(ONSETS),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        task=configured("tasks/{task}"),
        code=fingerprint("export.meds_task"),
    script:
        "../scripts/write_meds_labels.py"


rule write_meds_predictions:
    input:
        f"results/5_evaluate/{STUDY}/predictions.parquet",
    output:
        predictions=f"{MEDS_PREDICTIONS}/predictions.parquet",
    log:
        f"results/logs/write_meds_predictions/{STUDY}.log",
    benchmark:
        f"results/benchmarks/write_meds_predictions/{STUDY}.tsv"
    wildcard_constraints:
        task=either(ONSETS),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        code=fingerprint("export.meds_task"),
    script:
        "../scripts/write_meds_predictions.py"


rule export_meds:
    input:
        lambda wildcards: exported_to_meds(),


rule reduce_model:
    input:
        weights=weights_of,
        model=f"results/4_train/{STUDY}/model.json",
        visits="results/3_encode/{site}/{task}/{encoding}/visits.arrow",
    output:
        model=f"results/4_train/{STUDY}/exported/model.json",
    log:
        f"results/logs/reduce_model/{STUDY}.log",
    benchmark:
        f"results/benchmarks/reduce_model/{STUDY}.tsv"
    wildcard_constraints:
        task=either([*ONSETS, *NEXT_VISITS]),
        model=either(EXPORTABLE),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        task=configured("tasks/{task}"),
        minimum_cell=RUN["minimum_cell"],
        code=fingerprint("export.reduced"),
    script:
        "../scripts/reduce_model.py"


# Where the records come from is nothing that another hospital can know: no oracle.
use rule evaluate_model as evaluate_exported with:
    input:
        model=f"results/4_train/{STUDY}/exported/model.json",
        visits="results/3_encode/{site}/{task}/{encoding}/visits.arrow",
        oracle=[],
        home=[],
    output:
        predictions=f"results/5_evaluate/{STUDY}/exported/predictions.parquet",
        validation=f"results/5_evaluate/{STUDY}/exported/validation.parquet",
        metrics=f"results/5_evaluate/{STUDY}/exported/metrics.json",
    log:
        f"results/logs/evaluate_exported/{STUDY}.log",
    benchmark:
        f"results/benchmarks/evaluate_exported/{STUDY}.tsv"


use rule evaluate_next_visit as evaluate_exported_next_visit with:
    input:
        model=f"results/4_train/{STUDY}/exported/model.json",
        visits="results/3_encode/{site}/{task}/{encoding}/visits.arrow",
        labels=[],
    output:
        predictions=f"results/5_evaluate/{STUDY}/exported/predictions.parquet",
        validation=f"results/5_evaluate/{STUDY}/exported/validation.parquet",
        metrics=f"results/5_evaluate/{STUDY}/exported/metrics.json",
        strata=f"results/5_evaluate/{STUDY}/exported/strata.csv",
    log:
        f"results/logs/evaluate_exported/{STUDY}.log",
    benchmark:
        f"results/benchmarks/evaluate_exported/{STUDY}.tsv"
    params:
        parts=RUN["parts"],
        seed=RUN["seed"],
        draws=RUN["bootstrap"],
        choi_compat=False,
        code=fingerprint("evaluate.next_visit"),


rule write_model:
    input:
        model=f"results/4_train/{STUDY}/exported/model.json",
        metrics=f"results/5_evaluate/{STUDY}/exported/metrics.json",
        vocabulary="results/3_encode/{site}/{task}/{encoding}/vocabulary.parquet",
        labels=labels_of,
        phenotype=phenotype_of,
    output:
        expand(
            f"{EXPORTED}/{{file}}",
            file=["model.json", "vocabulary.parquet", "metrics.json"],
            allow_missing=True,
        ),
        expand(f"{EXPORTED}/{{file}}", file=["model_card.md", "study.yaml"], allow_missing=True),
        manifest=f"{EXPORTED}/manifest.json",
    log:
        f"results/logs/write_model/{STUDY}.log",
    benchmark:
        f"results/benchmarks/write_model/{STUDY}.tsv"
    wildcard_constraints:
        task=either([*ONSETS, *NEXT_VISITS]),
        model=either(EXPORTABLE),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        sections=sections_of,
        synthetic=lambda wildcards: is_synthetic(wildcards.site),
        minimum_cell=RUN["minimum_cell"],
        code=fingerprint("export.model"),
    script:
        "../scripts/write_model.py"


rule refuse_export:
    output:
        f"{EXPORTED}/{{file}}",
    log:
        f"results/logs/refuse_export/{STUDY}/{{file}}.log",
    wildcard_constraints:
        model=either(set(config["models"]) - set(EXPORTABLE)),
        file="[a-z_]+[.][a-z]+",
    priority: 1  # before any work that would be in vain
    conda:
        "../../environment.yml"
    params:
        task=configured("tasks/{task}"),
        model=configured("models/{model}"),
    script:
        "../scripts/refuse_export.py"


use rule refuse_export as refuse_export_of_forecast with:
    wildcard_constraints:
        task=either(FORECASTS),
        model=either(EXPORTABLE),
        file="[a-z_]+[.][a-z]+",


rule export_model:
    input:
        lambda wildcards: exported(),
