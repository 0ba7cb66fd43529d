# What every stage made in; what a reviewer would ask of it, answered, out.
#
# A check writes results/audit/<rule>/<wildcards>/findings.json.
