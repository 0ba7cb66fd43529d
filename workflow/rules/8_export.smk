# Encoded visits in; files that other programs read out.
#
#   write_doctorai   the visits of a fold as Doctor AI's released code reads them -> pickles


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
