# What of the study is audited: the files that each check writes, which findings() adds up. No rules.

WINDOW_CHECK = "results/audit/check_windows/{site}/{task}/{encoding}"


def window_findings():
    """The windows of every task with an outcome, in every encoding."""
    return grid(f"{WINDOW_CHECK}/findings.json", task=run_tasks("onset"))


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


def findings():
    """What every check of the study found."""
    return [
        *window_findings(),
        *matching_findings(),
        f"{SPLITS_CHECK}/findings.json",
    ]


def checks():
    """By the path of each findings.json: the check, a rule, and its wildcards."""
    found = {}
    for path in findings():
        check = path.split("/")[2]
        pattern = regex_from_filepattern(getattr(rules, check).output.findings)
        found[path] = {"check": check, **re.match(pattern, path).groupdict()}
    return found
