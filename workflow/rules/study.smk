# What the study asks for beyond its grid, and what its figures need to know of it. No rules.


def oracles():
    """The oracle's scores of every task that has one, at every simulated site of the study."""
    sites = filter(is_simulated, RUN["sites"])
    tasks = [task for task in run_tasks("onset") if task in WITH_ORACLE]
    return expand("results/5_evaluate/{site}/{task}/oracle.parquet", site=sites, task=tasks)


#: The landmark tasks on whose rows the models of a case-control task are scored.
LANDMARKS = {
    task: [own for other, own in as_used_of(config) if other == task]
    for task, _ in as_used_of(config)
}


def trained_on_landmark(wildcards):
    """The landmark tasks of a task in which the study trains the same model."""
    names = {"encoding": wildcards.encoding, "model": wildcards.model}
    tasks = [task for task in LANDMARKS[wildcards.task] if task in RUN["tasks"]]
    return [task for task in tasks if is_run(task, **names)]


def of_landmarks(pattern, trained=False):
    """A file of each landmark task of a task; with `trained`, where the same model is trained."""

    def files(wildcards):
        tasks = trained_on_landmark(wildcards) if trained else LANDMARKS[wildcards.task]
        cohorts = {task: config["tasks"][task]["cohort"] for task in tasks}
        return [
            pattern.format(**{**wildcards, "task": task, "cohort": cohorts[task]}) for task in tasks
        ]

    return files


#: Each case-control task, landmark task, encoding and model that is scored as it would be used: the
#: models with which the landmark task is run, or would be if `run/tasks` named it.
AS_USED = [
    [task, landmark, encoding, model]
    for task, landmark in as_used_of(config)
    for encoding, model in product(RUN["encodings"], RUN["models"])
    if is_run(task, encoding=encoding, model=model)
    and is_run(landmark, encoding=encoding, model=model)
]


def as_used(file):
    """A file of every case-control model that is scored as it would be used."""
    named = dict.fromkeys((task, encoding, model) for task, _, encoding, model in AS_USED)
    return [
        path
        for task, encoding, model in named
        for path in grid(
            f"results/5_evaluate/{STUDY}/{file}", task=[task], encoding=[encoding], model=[model]
        )
    ]


def reach():
    """How far back each network of the study sees in the tasks with an outcome."""
    forward = [name for name in RUN["models"] if name in FORWARD]
    tasks = run_tasks("onset")
    return grid(f"results/5_evaluate/{STUDY}/reach.csv", model=forward, task=tasks)


def repetitions():
    """What each network predicts of a visit after one code again and again, of the first fold."""
    forward = [name for name in RUN["models"] if name in FORWARD]
    pattern = f"results/5_evaluate/{STUDY}/repetition.csv"
    return grid(pattern, task=run_tasks("next_visit"), model=forward, fold=RUN["folds"][:1])


def timed_models():
    """The models whose seconds are taken: of those that differ in their seed alone the first."""
    return list(replicates(config["models"], RUN["models"]))


def scoring_times():
    """The seconds that each model of an onset task takes to score a patient, of the first fold."""
    pattern = f"results/benchmarks/time_scoring/{STUDY}.csv"
    return grid(pattern, task=run_tasks("onset"), model=timed_models(), fold=RUN["folds"][:1])


def training_times():
    """The seconds of training by the number of patients, of the first onset task if asked for."""
    timed = [name for name in timed_models() if name in NETWORKS and RUN["training_sizes"]]
    pattern = "results/benchmarks/time_training/{site}/{task}/{encoding}/{model}.csv"
    return grid(pattern, task=run_tasks("onset")[:1], model=timed)


#: What a model's scores rest on can be said of some kinds; what the study asks for.
EXPLAINABLE = [name for name, model in config["models"].items() if unexplained(model) is None]
EXPLAINED = [name for name in RUN["models"] if name in RUN["explain"]]


def explanations():
    """The importance of each code to each model that is explained."""
    pattern = f"results/5_evaluate/{STUDY}/importance.csv"
    return grid(pattern, task=run_tasks("onset"), model=EXPLAINED)


def giveaways():
    """What gives the outcome away in each onset task's windows."""
    return grid("results/5_evaluate/{site}/{task}/giveaways.csv", task=run_tasks("onset"))


def first_encoded():
    """The first onset of cases and controls and its first encoding, one without vectors if it can."""
    matched = of_kind("cohorts", "case_control")
    tasks = [task for task in run_tasks("onset") if config["tasks"][task]["cohort"] in matched]
    found = [[t, e] for t in tasks[:1] for e in RUN["encodings"] if is_run(t, encoding=e)]
    return sorted(found, key=lambda pair: pair[1] in WITH_VECTORS)[:1] if RUN["folds"] else []


def first_models(task, encoding):
    """The first network and the first classical model that reads codes, as far as there are any."""
    run = [m for m in RUN["models"] if is_run(task, encoding=encoding, model=m)]
    reading = [m for m in BASELINES if config["models"][m]["features"] != "frequency"]
    groups = ([m for m in run if m in group] for group in (NETWORKS, reading))
    return [name for group in groups for name in group[:1]]


#: The task, its encoding and the models that the audit trains anew, at most one row.
TRAINED_ANEW = [[*pair, first_models(*pair)] for pair in first_encoded() if first_models(*pair)]


def combinations(kind):
    """Every task of a kind with an encoding and a model that it is run with."""
    named = product(run_tasks(kind), RUN["encodings"], RUN["models"])
    return [[task, e, m] for task, e, m in named if is_run(task, encoding=e, model=m)]


#: The models that may leave the house.
EXPORTABLE = [
    name for name, own in config["models"].items() if unexported({"kind": "onset"}, own) is None
]


@cache
def exported():
    """The manifest of every model of the study that leaves; what does not is named in the log."""
    manifests, sentences = [], {}
    for task, encoding, model in chain.from_iterable(
        map(combinations, ["onset", "next_visit", "forecast"])
    ):
        reason = unexported(config["tasks"][task], config["models"][model])
        if reason is None:
            manifests += grid(
                f"{EXPORTED}/manifest.json", task=[task], encoding=[encoding], model=[model]
            )
        else:
            sentences[f"model {model} of task {task} is not exported: {reason}."] = None
    for sentence in sentences:
        logger.info(sentence)
    return manifests


@cache
def exported_to_meds():
    """Every site's data set, with labels and predictions of the tasks that MEDS has a schema for."""
    for task in HOME_TASKS:
        if task not in ONSETS:
            logger.info(
                f"task {task} is of kind {config['tasks'][task]['kind']}, for whose labels and "
                "predictions MEDS has no schema: left out of export_meds."
            )
    onsets = run_tasks("onset")
    return [
        *grid(f"{MEDS}/metadata/dataset.json"),
        *grid(f"{MEDS}/labels/{{task}}/labels.parquet", task=onsets),
        *grid(f"{MEDS_PREDICTIONS}/predictions.parquet", task=onsets),
    ]


def labels_of(wildcards):
    """The labels of a task that predicts some."""
    folder = "results/3_encode/{site}/{task}/{encoding}"
    return f"{folder}/labels.parquet".format(**wildcards) if wildcards.task in NEXT_VISITS else []


def phenotype_of(wildcards):
    """The phenotype file of a task's cohort, if it has one."""
    return PHENOTYPE_FILES.get(cohort_of(wildcards), [])


def sections_of(wildcards):
    """The sections of the configuration that a model goes by."""
    return {
        "task": config["tasks"][wildcards.task],
        "cohort": config["cohorts"][cohort_of(wildcards)],
        "encoding": config["encodings"][wildcards.encoding],
        "model": config["models"][wildcards.model],
    }


def of_sites(*names):
    """The files of these names that ingest wrote of each site of the study."""
    return {
        site: {name: f"results/1_ingest/{site}/{name}.parquet" for name in names}
        for site in RUN["sites"]
    }


#: All that moves: source, target, task, encoding and model of each.
MOVED = transferred(config, CARRIED)
#: Of that what has an outcome; the rest is scored and no more.
TRANSFERRED = [row for row in MOVED if not lacks_outcome(config, row[2])]

#: The tasks, encodings and models whose scoring is repeated as the released code of Doctor AI does it.
CHOI_COMPAT = [
    [task, encoding, model]
    for task, encoding, model in combinations("next_visit")
    if config["tasks"][task]["choi_compat"]
]


def study():
    """What the figures show: the names that `run` asks for, with what they need to know of them."""
    return {
        "sites": {
            name: {
                "synthetic": is_synthetic(name),
                "simulated": is_simulated(name),
            }
            for name in RUN["sites"]
        },
        "tasks": {name: config["tasks"][name] for name in HOME_TASKS},
        "matched": MATCHED,
        "encodings": RUN["encodings"],
        "models": RUN["models"],
        "encoded": [
            [task, encoding]
            for task, encoding in product(run_tasks("onset"), RUN["encodings"])
            if is_run(task, encoding=encoding)
        ],
        "scored": combinations("onset"),
        "as_used": AS_USED,
        "landmarks": {task: config["tasks"][task]["cohort"] for _, task, *_ in AS_USED},
        "forecasts": combinations("forecast"),
        "next_visits": combinations("next_visit"),
        "replicates": replicates(config["models"], RUN["models"]),
        "reference": RUN["reference"],
        "frequency": [
            name for name in RUN["models"] if config["models"][name].get("features") == "frequency"
        ],
        "forward": [name for name in RUN["models"] if name in FORWARD],
        "explained": EXPLAINED,
        "model_sections": {name: config["models"][name] for name in RUN["models"]},
        "encoding_sections": {name: config["encodings"][name] for name in RUN["encodings"]},
        "choi_compat": CHOI_COMPAT,
        "transfer": TRANSFERRED,
        "in_time": [[task, encoding] for task, encoding, _ in TRAINED_ANEW],
        "training_sizes": RUN["training_sizes"],
        "folds": RUN["folds"],
        "parts": RUN["parts"],
        "seed": RUN["seed"],
        "draws": RUN["bootstrap"],
        "minimum_cell": RUN["minimum_cell"],
    }
