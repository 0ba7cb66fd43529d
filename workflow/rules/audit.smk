# What every stage made in; what a reviewer would ask of it, answered, out.
#
#   check_privacy   does what is shared tell of a person: ids, dates, small numbers
#   pass_privacy    fails where it does
#   fill_sheets     TRIPOD+AI, PROBAST+AI and RECORD, answered from the results
#   write_audit     the findings of all checks -> audit.csv, audit.html
#   pass_audit      audit.csv -> passed.json, which the figures wait for; fails where a check failed
#
# A check is a rule whose output `findings` is results/audit/<rule>/<wildcards>/findings.json. Its
# block has a function that lists these files for the study, which findings() below adds up.


def findings():
    """What every check of the study found."""
    return []


def checks():
    """By the path of each findings.json: the check, a rule, and its wildcards."""
    found = {}
    for path in findings():
        check = path.split("/")[2]
        pattern = regex_from_filepattern(getattr(rules, check).output.findings)
        found[path] = {"check": check, **re.match(pattern, path).groupdict()}
    return found


rule write_audit:
    input:
        lambda wildcards: findings(),
    output:
        page=report(
            "results/7_figures/audit.html",
            caption="../report/audit.rst",
            category="Audit",
            labels={"page": "audit"},
        ),
        table=report(
            "results/7_figures/audit.csv",
            caption="../report/audit.rst",
            category="Audit",
            labels={"table": "audit"},
        ),
    log:
        "results/logs/write_audit.log",
    benchmark:
        "results/benchmarks/write_audit.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    params:
        checks=lambda wildcards: checks(),
        synthetic={name: is_synthetic(name) for name in RUN["sites"]},
        code=fingerprint("audit.table"),
    script:
        "../scripts/write_audit.py"


rule pass_audit:
    input:
        table="results/7_figures/audit.csv",
    output:
        passed="results/audit/passed.json",
    log:
        "results/logs/pass_audit.log",
    benchmark:
        "results/benchmarks/pass_audit.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    params:
        on_failure=RUN["audit"],
        code=fingerprint("audit.gate"),
    script:
        "../scripts/pass_audit.py"


rule audit:
    input:
        AUDIT,


rule fill_sheets:
    input:
        [path for path in FIGURES if path.endswith((".csv", ".parquet"))],
        grid("results/1_ingest/{site}/summary.json"),
        grid("results/3_encode/{site}/{task}/{encoding}/vocabulary.parquet"),
        grid(f"results/4_train/{STUDY}/model.json", task=run_tasks("onset")),
        audit="results/7_figures/audit.csv",
        phenotypes=PHENOTYPE_FILES.values(),
    output:
        [listed(name, "Audit") for name in ("tripod_ai", "probast_ai", "record")],
    log:
        "results/logs/fill_sheets.log",
    benchmark:
        "results/benchmarks/fill_sheets.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    params:
        study=study(),
        sections={
            "sites": {site: only(site, "source") for site in RUN["sites"]},
            "cohorts": {name: config["cohorts"][name] for name in COHORTS},
        },
        with_phenotype=list(PHENOTYPE_FILES),
        code=fingerprint("audit.sheets"),
    script:
        "../scripts/fill_sheets.py"


def of_sites(*names):
    """The files of these names that ingest wrote of each site of the study."""
    return {
        site: {name: f"results/1_ingest/{site}/{name}.parquet" for name in names}
        for site in RUN["sites"]
    }


# After everything that it reads, which it cannot keep from being written: it says what is in it.
rule check_privacy:
    input:
        FIGURES,
        AUDIT,
        SHEETS,
        [list(files.values()) for files in of_sites("persons", "events", "codes").values()],
        phenotypes=sorted(set(PHENOTYPE_FILES.values())),
    output:
        findings="results/audit/check_privacy/findings.json",
        table=report(
            "results/7_figures/audit_privacy.csv",
            caption="../report/audit_privacy.rst",
            category="Audit",
            labels={"table": "privacy"},
        ),
    log:
        "results/logs/check_privacy.log",
    benchmark:
        "results/benchmarks/check_privacy.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    params:
        shared=["results/7_figures", "results/8_export/model"],
        sites=of_sites("persons", "events", "codes"),
        synthetic={name: is_synthetic(name) for name in RUN["sites"]},
        minimum_cell=RUN["minimum_cell"],
        code=fingerprint("audit.privacy"),
    script:
        "../scripts/check_privacy.py"


rule pass_privacy:
    input:
        findings="results/audit/check_privacy/findings.json",
    output:
        passed="results/audit/passed_privacy.json",
    log:
        "results/logs/pass_privacy.log",
    benchmark:
        "results/benchmarks/pass_privacy.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    params:
        on_failure=RUN["audit"],
        code=fingerprint("audit.privacy"),
    script:
        "../scripts/pass_privacy.py"
