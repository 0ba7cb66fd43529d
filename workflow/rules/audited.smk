# What of the study is audited: the files that each check writes, which findings() adds up. No rules.

WINDOW_CHECK = "results/audit/check_windows/{site}/{task}/{encoding}"


def window_findings():
    """The windows of every task with an outcome, in every encoding."""
    return grid(f"{WINDOW_CHECK}/findings.json", task=run_tasks("onset"))


def alignments():
    """The years of the cases and controls of the same."""
    return grid(f"{WINDOW_CHECK}/alignment.csv", task=run_tasks("onset"))


MATCHING_CHECK = "results/audit/check_matching/{site}/{cohort}"


def matching_findings():
    """The matching of every case-control cohort."""
    return grid(f"{MATCHING_CHECK}/findings.json", cohort=MATCHED)


def splits():
    """What has parts: every cohort and task, every model, and every model that moved."""
    named = product(RUN["sites"], HOME_TASKS, RUN["encodings"])
    encoded = [[site, task, e] for site, task, e in named if is_run(task, encoding=e)]
    with_models = product(encoded, RUN["models"], RUN["folds"])
    moved = product(TRANSFERRED, RUN["folds"])
    names = ("source", "target", "task", "encoding", "model")
    return {
        "tasks": {task: config["tasks"][task]["cohort"] for task in HOME_TASKS},
        "encoded": encoded,
        "models": [
            [*own, model, fold]
            for own, model, fold in with_models
            if is_run(own[1], encoding=own[2], model=model)
        ],
        "moved": [
            [f"results/6_transfer/{ABROAD.format(**dict(zip(names, row)), fold=fold)}"]
            + [row[1], row[2], fold]
            for row, fold in moved
        ],
        **{key: RUN[key] for key in ("seed", "parts", "minimum_cell")},
    }


SPLITS_CHECK = "results/audit/check_splits"


def audited(rule):
    """The findings of a check that trains models anew, of every site."""
    pattern = f"results/audit/{rule}/{{site}}/{{task}}/{{encoding}}/findings.json"
    return [
        path
        for task, encoding, _ in TRAINED_ANEW
        for path in grid(pattern, task=[task], encoding=[encoding])
    ]


def canary_findings():
    """The canaries of every site."""
    return audited("run_canaries")


def in_time_findings():
    """The test in time of every site."""
    return audited("test_in_time")


def in_time_results():
    """What the models of the test in time are worth, of every site."""
    return [f"{os.path.dirname(path)}/in_time.json" for path in in_time_findings()]


def trained_anew(wildcards):
    """The sections of the models that the audit trains anew, by name."""
    names = first_models(wildcards.task, wildcards.encoding)
    return {name: config["models"][name] for name in names}


def evaluated_models(wildcards):
    """The metrics of the same models on the random test part of the first fold."""
    place = f"results/5_evaluate/{STUDY}/metrics.json"
    names = trained_anew(wildcards)
    return [place.format(**wildcards, model=name, fold=RUN["folds"][0]) for name in names]


AS_USED_CHECK = "results/audit/check_as_used/{site}/{task}/{encoding}"


def as_used_findings():
    """What the models of each case-control task are worth as used, of the first encoding and fold."""
    first = {task: encoding for task, _, encoding, _ in reversed(AS_USED)}
    return [
        path
        for task, encoding in first.items()
        for path in grid(f"{AS_USED_CHECK}/findings.json", task=[task], encoding=[encoding])
        if RUN["folds"]
    ]


def models_as_used(wildcards):
    """The models of a task and encoding that are scored as they would be used."""
    place = (wildcards.task, wildcards.encoding)
    return list(dict.fromkeys(m for t, _, e, m in AS_USED if (t, e) == place))


def findings():
    """What every check of the study found."""
    return [
        *window_findings(),
        *matching_findings(),
        f"{SPLITS_CHECK}/findings.json",
        *canary_findings(),
        *in_time_findings(),
        *as_used_findings(),
    ]


def checks():
    """By the path of each findings.json: the check, a rule, and its wildcards."""
    found = {}
    for path in findings():
        check = path.split("/")[2]
        pattern = regex_from_filepattern(getattr(rules, check).output.findings)
        found[path] = {"check": check, **re.match(pattern, path).groupdict()}
    return found
