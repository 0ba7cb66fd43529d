# The configuration, checked and filled; the wildcards' names; the target lists. No rules.
import os
import re
import sys
from functools import cache
from glob import glob
from itertools import chain, product

import yaml
from snakemake.common.configfile import load_configfile
from snakemake.exceptions import WorkflowError
from snakemake.io import regex_from_filepattern
from snakemake.logging import logger

SRC = f"{workflow.basedir}/src"
# From where it is run, so that both can be moved together without a rerun.
PHENOTYPES = os.path.relpath(f"{workflow.basedir}/workflow/phenotypes")
sys.path.insert(0, SRC)
# Scripts run this checkout's library, whichever one is installed.
os.environ.update(PYTHONPATH=os.pathsep.join(filter(None, [SRC, os.environ.get("PYTHONPATH")])))

from visitseq.config import fill_config, merge_config
from visitseq.errors import UserError
from visitseq.fingerprint import code_digest
from visitseq.grid import (
    as_used_of,
    asked,
    has_oracle,
    lacks_outcome,
    left_out,
    refusal,
    replicates,
    unexplained,
    unexported,
    without_any_model,
    without_partner,
)
from visitseq.ingest.files import list_inputs, persons_digest
from visitseq.ingest.meds_files import meds_files
from visitseq.ingest.released_files import released_files
from visitseq.transfer.carried import check_fit, read_carried
from visitseq.transfer.pairs import (
    left_out_of_transfer,
    require_carried_run,
    strategies_of,
    transferred,
)


def fill(overlay):
    """The default configuration with `overlay` laid over it, checked and filled."""
    default = load_configfile(f"{workflow.basedir}/config.yaml")
    schema = Path(workflow.basedir) / "workflow/schemas/config.schema.yaml"
    return fill_config(merge_config(default, overlay), schema)


def site_inputs():
    """The files that the ingest of each site reads that is not simulated, found now.

    A site outside the study may be absent; its own ingest says so, if it is asked for.
    """
    found = {}
    for name, site in config["sites"].items():
        here = site.get("path") or ""
        if site["source"] == "omop" and (name in RUN["sites"] or os.path.exists(here)):
            found[name] = [str(path) for path in list_inputs(name, site)]
        if site["source"] == "meds" and (name in RUN["sites"] or os.path.exists(site["path"])):
            found[name] = [str(path) for path in meds_files(name, site).every]
        if site["source"] == "doctorai" and (name in RUN["sites"] or glob(f"{site['path']}*")):
            found[name] = [str(path) for path in released_files(name, site).every]
    return found


def phenotype_file(name, key):
    """The phenotype file of a name in workflow/phenotypes, or a path; `key` is where it is named."""
    shipped = f"{PHENOTYPES}/{name}.yaml"
    if os.path.isfile(shipped) or os.path.isfile(name):
        return shipped if os.path.isfile(shipped) else name
    known = sorted(file.stem for file in Path(PHENOTYPES).glob("*.yaml"))
    raise UserError(
        f"Configuration, {key}/phenotype: {name} does not exist. It is the name of a file in "
        f" workflow/phenotypes ({', '.join(known)}) or the path of a phenotype file."
    )


def restriction_files():
    """By site: its restriction, with the digest of the file of persons in its place, and the files
    that it names. Of a site outside the study the file may be absent, as its records may."""
    found = {}
    for name, site in config["sites"].items():
        restrict, files = dict(site.get("restrict", {})), {}
        if restrict.get("phenotype") is not None:
            key = f"sites/{name}/restrict"
            files["phenotype"] = phenotype_file(restrict["phenotype"], key)
        if restrict.get("persons") is not None:
            files["persons"] = restrict["persons"]
            if name in RUN["sites"] or os.path.isfile(files["persons"]):
                restrict["persons"] = persons_digest(name, Path(files["persons"]))
        found[name] = restrict, files
        if files and name in RUN["sites"] and workflow.is_main_process:
            check_restriction(name, restrict, files)
    return found


def check_restriction(name, restrict, files):
    """Raise now what is wrong in the files of a restriction."""
    # Here, for it brings DuckDB: few studies have a restriction, and a job has no use for it.
    from visitseq.ingest.restriction import read_restriction

    named = (Path(files[key]) if key in files else None for key in ("phenotype", "persons"))
    read_restriction(name, restrict, *named)


def mapping_files():
    """The file that maps a target's codes onto the source's, by pair, of those that name one."""
    found = {}
    for pair in RUN["transfer"]:
        places, path = (pair["source"], pair["target"]), pair["mapping"]
        if path is not None and not os.path.isfile(path):
            raise UserError(
                f"Configuration, run/transfer, {' to '.join(places)}/mapping: {path} does not "
                f"exist ({os.path.abspath(path)}). It is a CSV file with the columns target_code "
                "and source_code."
            )
        found |= {} if path is None else {places: path}
    return found


def carried_models():
    """Task, encoding and model of each site of ``source: model`` that a pair of the study names.

    What of them the study runs has to fit it; the rest is left out, and named.
    """
    found = {}
    for pair in RUN["transfer"]:
        name, site = pair["source"], config["sites"][pair["source"]]
        if site["source"] != "model" or pair["target"] not in RUN["sites"]:
            continue
        manifest = read_carried(name, Path(site["path"]))
        named = [manifest["names"][key] for key in ("task", "encoding", "model")]
        sections = [RUN["tasks"], RUN["encodings"], RUN["models"]]
        if all(own in section for own, section in zip(named, sections)):
            phenotype = PHENOTYPE_FILES.get(config["tasks"][named[0]]["cohort"])
            check_fit(name, manifest, config, phenotype and Path(phenotype))
        found[name] = tuple(named)
    return found


try:
    config = fill(workflow.config_settings.overwrite_config)
    RUN = config["run"]
    SITE_INPUTS = site_inputs()
    PHENOTYPE_FILES = {
        name: phenotype_file(cohort["phenotype"], f"cohorts/{name}")
        for name, cohort in config["cohorts"].items()
        if cohort.get("phenotype") is not None
    }
    RESTRICTIONS = restriction_files()
    MAPPINGS = mapping_files()
    CARRIED = carried_models()
    require_carried_run(config, CARRIED)
except UserError as error:
    raise WorkflowError(str(error)) from None


def of_kind(section, *kinds):
    """The names in a section of the configuration whose kind is one of ``kinds``."""
    return [name for name, own in config[section].items() if own["kind"] in kinds]


BASELINES = of_kind("models", "logistic", "svm", "mlp", "knn", "trees")
NETWORKS = of_kind("models", "recurrent", "retain", "transformer")
SEQ2SEQ = of_kind("models", "seq2seq")
COUNTED = of_kind("models", "most_frequent", "last_visit")
PREDICT_NEXT = [
    name
    for name, own in config["models"].items()
    if refusal({"kind": "next_visit"}, model=own) is None
]
ONSETS = of_kind("tasks", "onset")
WITH_ORACLE = [task for task in ONSETS if has_oracle(config, task)]
FORECASTS = of_kind("tasks", "forecast")
NEXT_VISITS = of_kind("tasks", "next_visit")
WITH_RECORDS = [name for name, site in config["sites"].items() if site["source"] != "model"]
RELEASED = [name for name, site in config["sites"].items() if site["source"] == "doctorai"]
IN_MEDS = [name for name, site in config["sites"].items() if site["source"] == "meds"]
WITH_VECTORS = [name for name, own in config["encodings"].items() if own["vectors"] != "none"]
# How far back a network sees can be said of those that read all visits forwards.
FORWARD = [
    name
    for name in of_kind("models", "recurrent")
    if not config["models"][name]["bidirectional"]
    and config["models"][name]["visits"] == "in_order"
]

if workflow.is_main_process:
    for sentence in [*left_out(config), *left_out_of_transfer(config, CARRIED)]:
        logger.info(sentence)
    for sentence in without_partner(config):
        logger.info(sentence)
    for sentence in without_any_model(config):
        logger.warning(sentence)


def either(names):
    """A regular expression that matches one of `names`, or nothing at all."""
    return "|".join(names) or "(?!)"


def fingerprint(module):
    """The digest of the library code behind a rule, as a parameter that an edit changes."""
    return code_digest(f"visitseq.{module}")


def configured(path):
    """What stands in the configuration at a path with wildcards, such as `models/{model}`.

    Snakemake's `lookup` gives the same and visits every key of the configuration to find it, for
    every job: two thirds of the planning of 6,000.
    """

    def found(wildcards):
        part = config
        for key in path.format(**wildcards).split("/"):
            part = part[key]
        return part

    return found


#: The pairs of hospitals between which models move, by both names.
PAIRS = {(pair["source"], pair["target"]): pair for pair in RUN["transfer"]}


wildcard_constraints:
    site=either(WITH_RECORDS),
    source=either([*WITH_RECORDS, *CARRIED]),
    target=either(f"(?<=/{source}_to_){target}" for source, target in PAIRS),
    cohort=either(config["cohorts"]),
    task=either(config["tasks"]),
    encoding=either(config["encodings"]),
    model=either(config["models"]),
    fold=either(map(str, range(RUN["parts"]))),


# What is trained and evaluated at home; a task without outcome is scored by carried models alone.
HOME_TASKS = [task for task in RUN["tasks"] if not lacks_outcome(config, task)]
COHORTS = sorted({config["tasks"][task]["cohort"] for task in HOME_TASKS})
MATCHED = [cohort for cohort in COHORTS if cohort in of_kind("cohorts", "case_control")]
DOCTORAI = "results/8_export/doctorai/{site}/{task}/{encoding}/fold{fold}"
MEDS = "results/8_export/meds/{site}"
MEDS_PREDICTIONS = f"{MEDS}/predictions/{{task}}/{{encoding}}/{{model}}/fold{{fold}}"
EXPORTED = "results/8_export/model/{site}/{task}/{encoding}/{model}/fold{fold}"
STUDY = "{site}/{task}/{encoding}/{model}/fold{fold}"


def is_run(task, **names):
    """Whether a task is asked for with an encoding or model, and their kinds go together."""
    sections = {key: config[f"{key}s"][name] for key, name in names.items()}
    return asked(RUN, task, **names) and refusal(config["tasks"][task], **sections) is None


def possible(*wildcards):
    """The combinations of wildcards that are run."""
    for combination in product(*wildcards):
        named = {key: name for key, name in combination if key in ("task", "encoding", "model")}
        if "task" not in named or is_run(**named):
            yield combination


def grid(pattern, **narrowed):
    """`pattern` for every possible combination of what `run` names, or of fewer names."""
    named = {"site": "sites", "task": "tasks", "encoding": "encodings", "model": "models"}
    chosen = {key: {**RUN, "tasks": HOME_TASKS}[section] for key, section in named.items()}
    return expand(
        pattern, possible, **{**chosen, "fold": RUN["folds"], "cohort": COHORTS, **narrowed}
    )


def run_tasks(kind):
    """The tasks of a kind that `run` names and that have an outcome."""
    return [task for task in HOME_TASKS if config["tasks"][task]["kind"] == kind]


OMOP_TABLES = [
    "person",
    "observation_period",
    "visit_occurrence",
    "condition_occurrence",
    "drug_exposure",
    "procedure_occurrence",
    "measurement",
    "observation",
    "death",
    "care_site",
    "concept",
    "concept_ancestor",
]


#: What of a simulated site's section decides its records.
SIMULATION = ["preset", "persons", "seed", "order_effect", "messy"]


def is_simulated(site):
    return config["sites"][site]["source"] == "simulated"


def is_synthetic(site):
    """Whether a site's records were made up, as far as its section says."""
    return config["sites"][site].get("records") != "real"


def records_of(wildcards):
    """The files that a site's ingest reads."""
    if is_simulated(wildcards.site):
        return expand(
            "results/1_ingest/{site}/omop/{table}.parquet",
            site=wildcards.site,
            table=OMOP_TABLES,
        )
    return SITE_INPUTS.get(wildcards.site, [])


def only(site, *keys):
    """What of a site's section a rule uses, so that no other key reruns it."""
    return {key: config["sites"][site][key] for key in keys if key in config["sites"][site]}


def place_of(wildcards):
    """The folder or database that holds a site's records, or which server does."""
    if is_simulated(wildcards.site):
        return {"path": f"results/1_ingest/{wildcards.site}/omop"}
    return only(wildcards.site, "path", "url_env", "spark", "version")


def restriction_of(wildcards):
    """A site's restriction, a digest in the place of its persons."""
    return RESTRICTIONS[wildcards.site][0]


def restricting(key):
    """The file that a site's restriction names under ``key``, if it does."""
    return lambda wildcards: RESTRICTIONS[wildcards.site][1].get(key, [])


def cohort_of(wildcards):
    return config["tasks"][wildcards.task]["cohort"]


def population_of(wildcards):
    """A cohort's section without what the scoring of its rows alone uses."""
    section = config["cohorts"][wildcards.cohort]
    return {key: value for key, value in section.items() if key != "phenotype"}


def before_scoring(wildcards):
    """A task's section without what its scoring alone uses, so that no such key reruns training."""
    section = config["tasks"][wildcards.task]
    return {key: value for key, value in section.items() if key != "choi_compat"}


VECTORS = "results/3_encode/{site}/{task}/{encoding}/fold{fold}/vectors.safetensors"
# Of no task: the name of one begins with a letter.
SITE_VECTORS = "results/3_encode/{site}/_corpus/{encoding}/fold{fold}/vectors.parquet"


# What of an encoding's section decides its visits, and what else its vectors.
VISIT_KEYS = ["vocabulary", "level", "sequence", "domains"]
LEARNING_KEYS = ["dimension", "window", "paper_mode", "min_count"]
# Whole records are read, whatever a step is.
SITE_KEYS = [*LEARNING_KEYS, "vocabulary", "level", "domains"]


def of_encoding(keys):
    """What of an encoding's section a rule uses, so that no other key reruns it."""

    return lambda wildcards: {key: config["encodings"][wildcards.encoding][key] for key in keys}


def with_corpus(corpus):
    """The encodings whose vectors are learned from ``corpus``."""
    return [name for name in WITH_VECTORS if config["encodings"][name]["corpus"] == corpus]


def vectors_of(wildcards, **fold):
    """The fold's vectors of an encoding that has any."""
    return VECTORS.format(**wildcards, **fold) if wildcards.encoding in WITH_VECTORS else []


def classical_of(wildcards):
    """The section of a classical model, without what concerns the next visit alone."""
    return {
        key: own for key, own in config["models"][wildcards.model].items() if key != "next_visit"
    }


def weights_in(folder, wildcards):
    """The weights in a model's folder, as which its kind is saved, if it has any."""
    if wildcards.model in COUNTED:
        return []
    classical = wildcards.model in BASELINES and wildcards.task in ONSETS
    return f"{folder}/model.{'skops' if classical else 'safetensors'}"


def weights_of(wildcards):
    """The weights of a model that was trained at a site."""
    return weights_in(f"results/4_train/{STUDY}".format(**wildcards), wildcards)


def oracle_at(site, wildcards):
    """The oracle's scores of a task at a simulated site; a real one has none, nor has any site where
    there are no cases and controls."""
    scored = is_simulated(site) and wildcards.task in WITH_ORACLE
    return f"results/5_evaluate/{site}/{wildcards.task}/oracle.parquet" if scored else []


def oracle_of(wildcards):
    return oracle_at(wildcards.site, wildcards)


onstart:
    os.makedirs("results", exist_ok=True)
    with open("results/run_config.yaml", "w", encoding="utf-8") as file:
        yaml.safe_dump(config, file, sort_keys=False, allow_unicode=True)
