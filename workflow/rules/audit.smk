# What every stage made in; what a reviewer would ask of it, answered, out.
#
#   check_as_used   how far the AUROC drops where a score is used, and whether its risks fit
#
# A check writes results/audit/<rule>/<wildcards>/findings.json.


rule check_as_used:
    input:
        results=lambda wildcards: expand(
            f"results/5_evaluate/{STUDY}/as_used.json",
            **wildcards,
            model=models_as_used(wildcards),
            fold=RUN["folds"][0],
        ),
        onset_before=of_landmarks("results/2_cohort/{site}/{cohort}/onset_before.csv"),
    output:
        findings=f"{AS_USED_CHECK}/findings.json",
    log:
        "results/logs/check_as_used/{site}/{task}/{encoding}.log",
    benchmark:
        "results/benchmarks/check_as_used/{site}/{task}/{encoding}.tsv"
    wildcard_constraints:
        task=either(LANDMARKS),
    conda:
        "../../environment.yml"
    threads: 1
    params:
        models=models_as_used,
        landmarks=lambda wildcards: LANDMARKS[wildcards.task],
        prediction_months=lookup("tasks/{task}/prediction_months", within=config),
        minimum_cell=RUN["minimum_cell"],
        code=fingerprint("audit.as_used"),
    script:
        "../scripts/check_as_used.py"
