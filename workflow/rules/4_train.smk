# Visit sequences in, a trained model a fold out.
#
#   train_model        networks: recurrent, RETAIN, transformer -> model.safetensors
#   train_baseline     classical models, on counts -> model.skops
#   train_pretrained   recurrent networks that start from a pre-trained encoder
#   train_forecast     encoder-decoders, on whole records
#   time_training      networks on growing numbers of patients -> benchmarks/time_training
#   train_next_visit   recurrent networks, logistic and mlp at every visit, on whole records
#   count_labels       what predicts the next visit without a network -> model.json alone
#   refuse_…           what a kind of model cannot be trained for


rule train_model:
    input:
        visits="results/3_encode/{site}/{task}/{encoding}/visits.arrow",
        vocabulary="results/3_encode/{site}/{task}/{encoding}/vocabulary.parquet",
        vectors=vectors_of,
    output:
        weights=f"results/4_train/{STUDY}/model.safetensors",
        model=f"results/4_train/{STUDY}/model.json",
        history=f"results/4_train/{STUDY}/history.csv",
    log:
        f"results/logs/train_model/{STUDY}.log",
    benchmark:
        f"results/benchmarks/train_model/{STUDY}.tsv"
    wildcard_constraints:
        task=either(ONSETS),
        model=either(NETWORKS),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        model=configured("models/{model}"),
        encoding=configured("encodings/{encoding}"),
        parts=RUN["parts"],
        seed=RUN["seed"],
        code=fingerprint("train.network"),
    script:
        "../scripts/train_model.py"


rule train_baseline:
    input:
        visits="results/3_encode/{site}/{task}/{encoding}/visits.arrow",
        vocabulary="results/3_encode/{site}/{task}/{encoding}/vocabulary.parquet",
        vectors=vectors_of,
    output:
        weights=f"results/4_train/{STUDY}/model.skops",
        model=f"results/4_train/{STUDY}/model.json",
        history=f"results/4_train/{STUDY}/history.csv",
    log:
        f"results/logs/train_baseline/{STUDY}.log",
    benchmark:
        f"results/benchmarks/train_baseline/{STUDY}.tsv"
    wildcard_constraints:
        task=either(ONSETS),
        model=either(BASELINES),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        task=configured("tasks/{task}"),
        model=classical_of,
        encoding=configured("encodings/{encoding}"),
        parts=RUN["parts"],
        seed=RUN["seed"],
        code=fingerprint("train.baseline"),
    script:
        "../scripts/train_baseline.py"


rule train_pretrained:
    input:
        visits="results/3_encode/{site}/{task}/{encoding}/visits.arrow",
        vocabulary="results/3_encode/{site}/{task}/{encoding}/vocabulary.parquet",
        vectors=vectors_of,
    output:
        weights=f"results/4_train/{STUDY}/model.safetensors",
        model=f"results/4_train/{STUDY}/model.json",
        history=f"results/4_train/{STUDY}/history.csv",
    log:
        f"results/logs/train_pretrained/{STUDY}.log",
    benchmark:
        f"results/benchmarks/train_pretrained/{STUDY}.tsv"
    wildcard_constraints:
        task=either(ONSETS),
        model=either(SEQ2SEQ),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        model=configured("models/{model}"),
        encoding=configured("encodings/{encoding}"),
        parts=RUN["parts"],
        seed=RUN["seed"],
        code=fingerprint("train.pretrained"),
    script:
        "../scripts/train_pretrained.py"


rule train_forecast:
    input:
        visits="results/3_encode/{site}/{task}/{encoding}/visits.arrow",
        vocabulary="results/3_encode/{site}/{task}/{encoding}/vocabulary.parquet",
        vectors=vectors_of,
        labels="results/3_encode/{site}/{task}/{encoding}/labels.parquet",
    output:
        weights=f"results/4_train/{STUDY}/model.safetensors",
        model=f"results/4_train/{STUDY}/model.json",
        history=f"results/4_train/{STUDY}/history.csv",
    log:
        f"results/logs/train_forecast/{STUDY}.log",
    benchmark:
        f"results/benchmarks/train_forecast/{STUDY}.tsv"
    wildcard_constraints:
        task=either(FORECASTS),
        model=either(SEQ2SEQ),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        task=configured("tasks/{task}"),
        model=configured("models/{model}"),
        encoding=configured("encodings/{encoding}"),
        parts=RUN["parts"],
        seed=RUN["seed"],
        code=fingerprint("train.forecast"),
    script:
        "../scripts/train_forecast.py"


# Seconds are of all that runs beside: with --cores 1 nothing does.
rule time_training:
    input:
        visits="results/3_encode/{site}/{task}/{encoding}/visits.arrow",
        vocabulary="results/3_encode/{site}/{task}/{encoding}/vocabulary.parquet",
        vectors=lambda wildcards: vectors_of(wildcards, fold=0),
    output:
        "results/benchmarks/time_training/{site}/{task}/{encoding}/{model}.csv",
    log:
        "results/logs/time_training/{site}/{task}/{encoding}/{model}.log",
    wildcard_constraints:
        task=either(ONSETS),
        model=either(NETWORKS),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        model=configured("models/{model}"),
        encoding=configured("encodings/{encoding}"),
        parts=RUN["parts"],
        seed=RUN["seed"],
        sizes=RUN["training_sizes"],
        code=fingerprint("train.training_time"),
    script:
        "../scripts/time_training.py"


rule train_next_visit:
    input:
        visits="results/3_encode/{site}/{task}/{encoding}/visits.arrow",
        vocabulary="results/3_encode/{site}/{task}/{encoding}/vocabulary.parquet",
        labels="results/3_encode/{site}/{task}/{encoding}/labels.parquet",
        vectors=vectors_of,
    output:
        weights=f"results/4_train/{STUDY}/model.safetensors",
        model=f"results/4_train/{STUDY}/model.json",
        history=f"results/4_train/{STUDY}/history.csv",
    log:
        f"results/logs/train_next_visit/{STUDY}.log",
    benchmark:
        f"results/benchmarks/train_next_visit/{STUDY}.tsv"
    wildcard_constraints:
        task=either(NEXT_VISITS),
        model=either([name for name in PREDICT_NEXT if name not in COUNTED]),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        task=before_scoring,
        model=configured("models/{model}"),
        encoding=configured("encodings/{encoding}"),
        parts=RUN["parts"],
        seed=RUN["seed"],
        code=fingerprint("train.next_visit"),
    script:
        "../scripts/train_next_visit.py"


rule count_labels:
    input:
        visits="results/3_encode/{site}/{task}/{encoding}/visits.arrow",
        vocabulary="results/3_encode/{site}/{task}/{encoding}/vocabulary.parquet",
        labels="results/3_encode/{site}/{task}/{encoding}/labels.parquet",
    output:
        model=f"results/4_train/{STUDY}/model.json",
    log:
        f"results/logs/count_labels/{STUDY}.log",
    benchmark:
        f"results/benchmarks/count_labels/{STUDY}.tsv"
    wildcard_constraints:
        task=either(NEXT_VISITS),
        model=either(COUNTED),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        task=before_scoring,
        model=configured("models/{model}"),
        encoding=configured("encodings/{encoding}"),
        parts=RUN["parts"],
        code=fingerprint("train.next_visit"),
    script:
        "../scripts/count_labels.py"


rule refuse_model:
    output:
        f"results/4_train/{STUDY}/{{file}}",
    log:
        f"results/logs/refuse_model/{STUDY}/{{file}}.log",
    wildcard_constraints:
        task=either(FORECASTS),
        model=either(set(config["models"]) - set(SEQ2SEQ)),
        file="model.safetensors|model.skops|model.json|history.csv",
    priority: 1  # before any work that would be in vain
    conda:
        "../../environment.yml"
    params:
        task=configured("tasks/{task}"),
        model=configured("models/{model}"),
    script:
        "../scripts/refuse_model.py"


use rule refuse_model as refuse_next_visit with:
    wildcard_constraints:
        task=either(NEXT_VISITS),
        model=either(set(config["models"]) - set(PREDICT_NEXT)),
        file="model.safetensors|model.skops|model.json|history.csv",


use rule refuse_model as refuse_onset with:
    wildcard_constraints:
        task=either(ONSETS),
        model=either(COUNTED),
        file="model.json",


rule train:
    input:
        grid(f"results/4_train/{STUDY}/model.json"),
