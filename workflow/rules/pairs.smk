# What moves between hospitals, and where what it needs lies. No rules.

TRANSLATED = "results/6_transfer/{source}_to_{target}/{task}/{encoding}"
ABROAD = "{source}_to_{target}/{task}/{encoding}/{model}/fold{fold}"


def is_carried(source):
    """Whether a source is a model that came without records."""
    return config["sites"][source]["source"] == "model"


def folder_of_carried(wildcards):
    """The folder of a carried model, as far as it holds what the wildcards name and fits the study."""
    names = ("source", "target", "task", "encoding", "model")
    asked_for = [wildcards[name] for name in names if name in wildcards.keys()]
    path = config["sites"][wildcards.source]["path"]
    holds = any(row[: len(asked_for)] == asked_for for row in MOVED)
    return path if holds else f"{path} (another model than this, or not of the study)"


def of_source(stage, file):
    """A file of a source's stage, or of a model's folder where the source is one."""

    def place(wildcards):
        if is_carried(wildcards.source):
            return f"{folder_of_carried(wildcards)}/{file}"
        folder = STUDY if "fold" in wildcards.keys() else "{site}/{task}/{encoding}"
        return f"results/{stage}/{folder}/{file}".format(site=wildcards.source, **wildcards)

    return place


def source_weights(wildcards):
    return weights_in(os.path.dirname(of_source("4_train", "model.json")(wildcards)), wildcards)


def source_visits(wildcards):
    """The visits of a source that has records."""
    return [] if is_carried(wildcards.source) else of_source("3_encode", "visits.arrow")(wildcards)


def are_the_same(wildcards):
    """Whether an id is the same person at the source and at the target."""
    source, target = wildcards.source, wildcards.target
    return source == target or PAIRS[source, target]["same_persons"]


def arms_of_pair(wildcards):
    """What of a pair's section decides what is trained at the target."""
    pair = PAIRS[wildcards.source, wildcards.target]
    return {key: pair[key] for key in ("strategies", "fractions", "draws")}


def vectors_abroad(wildcards):
    """The target's vectors of the fold, in the vocabulary of the pair."""
    if wildcards.encoding not in WITH_VECTORS:
        return []
    return f"{TRANSLATED}/fold{{fold}}/vectors.safetensors".format(**wildcards)


def abroad(file, moved=TRANSFERRED):
    """A file of every fold of all that is transferred."""
    names = ("source", "target", "task", "encoding", "model")
    return [
        path
        for row in moved
        for path in expand(
            f"results/6_transfer/{ABROAD}/{file}", **dict(zip(names, row)), fold=RUN["folds"]
        )
    ]


def coverages():
    """What each vocabulary holds of the other's, in every direction that is transferred."""
    names = ("source", "target", "task", "encoding")
    rows = dict.fromkeys(tuple(row[:4]) for row in TRANSFERRED)
    return [f"{TRANSLATED}/coverage.json".format(**dict(zip(names, row))) for row in rows]
