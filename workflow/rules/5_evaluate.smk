# A trained model and its fold's test part in; predictions and metrics with intervals out.
#
#   evaluate_model   scores, threshold, bootstrap -> predictions, validation, metrics


rule evaluate_model:
    input:
        weights=weights_of,
        model=f"results/4_train/{STUDY}/model.json",
        visits="results/3_encode/{site}/{task}/{encoding}/visits.arrow",
    output:
        predictions=f"results/5_evaluate/{STUDY}/predictions.parquet",
        validation=f"results/5_evaluate/{STUDY}/validation.parquet",
        metrics=f"results/5_evaluate/{STUDY}/metrics.json",
    log:
        f"results/logs/evaluate_model/{STUDY}.log",
    benchmark:
        f"results/benchmarks/evaluate_model/{STUDY}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    params:
        task=lookup("tasks/{task}", within=config),
        parts=RUN["parts"],
        seed=RUN["seed"],
        draws=RUN["bootstrap"],
        code=fingerprint("evaluate.evaluate"),
    script:
        "../scripts/evaluate_model.py"


rule evaluate:
    input:
        grid(f"results/5_evaluate/{STUDY}/metrics.json"),
