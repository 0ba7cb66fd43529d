# Recurrent networks on patient visits, from records to figures. `config.yaml` says what is run,
# `README.md` how.
from snakemake.utils import min_version

min_version("9.19")


configfile: f"{workflow.basedir}/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/study.smk"
include: "workflow/rules/pairs.smk"
include: "workflow/rules/outputs.smk"


# Without a target: everything that the configuration asks for.
rule all:
    input:
        FIGURES,


include: "workflow/rules/1_ingest.smk"
include: "workflow/rules/2_cohort.smk"
include: "workflow/rules/3_encode.smk"
include: "workflow/rules/4_train.smk"
include: "workflow/rules/5_evaluate.smk"
include: "workflow/rules/6_transfer.smk"
include: "workflow/rules/audit.smk"
include: "workflow/rules/7_figures.smk"
include: "workflow/rules/8_export.smk"
