# Visit sequences in, a trained model a fold out.
#
#   train_model      recurrent networks -> model.safetensors
#   train_baseline   scikit-learn models -> model.skops


rule train_model:
    input:
        visits="results/3_encode/{site}/{task}/{encoding}/visits.arrow",
        vocabulary="results/3_encode/{site}/{task}/{encoding}/vocabulary.parquet",
    output:
        weights=f"results/4_train/{STUDY}/model.safetensors",
        model=f"results/4_train/{STUDY}/model.json",
        history=f"results/4_train/{STUDY}/history.csv",
    log:
        f"results/logs/train_model/{STUDY}.log",
    benchmark:
        f"results/benchmarks/train_model/{STUDY}.tsv"
    wildcard_constraints:
        model=either(NETWORKS),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        model=lookup("models/{model}", within=config),
        encoding=lookup("encodings/{encoding}", within=config),
        parts=RUN["parts"],
        seed=RUN["seed"],
        code=fingerprint("train.network"),
    script:
        "../scripts/train_model.py"


rule train_baseline:
    input:
        visits="results/3_encode/{site}/{task}/{encoding}/visits.arrow",
        vocabulary="results/3_encode/{site}/{task}/{encoding}/vocabulary.parquet",
    output:
        weights=f"results/4_train/{STUDY}/model.skops",
        model=f"results/4_train/{STUDY}/model.json",
        history=f"results/4_train/{STUDY}/history.csv",
    log:
        f"results/logs/train_baseline/{STUDY}.log",
    benchmark:
        f"results/benchmarks/train_baseline/{STUDY}.tsv"
    wildcard_constraints:
        model=either(BASELINES),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        model=lookup("models/{model}", within=config),
        encoding=lookup("encodings/{encoding}", within=config),
        parts=RUN["parts"],
        seed=RUN["seed"],
        code=fingerprint("train.baseline"),
    script:
        "../scripts/train_baseline.py"


rule train:
    input:
        grid(f"results/4_train/{STUDY}/model.json"),
