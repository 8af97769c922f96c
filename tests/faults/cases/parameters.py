"""Values of params.yaml that cannot be."""

from tests.faults.case import Case, params, remove, write

CASES = [
    Case("params-missing", "stimuli", r"params\.yaml not found", remove("params.yaml")),
    Case("params-not-yaml", "stimuli", r"params\.yaml is not YAML", write("params.yaml", "seed: [1,\n")),
    Case("unknown-key", "compare pixels", r"unknown key compare\.fold\b", params(compare__fold=3)),
]
