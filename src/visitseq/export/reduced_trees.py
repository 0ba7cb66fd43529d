"""LightGBM's trees without some of their features, and without what they counted.

A person who has not got a code has 0 in its column. So where a tree asks for a code that is taken
out, the answer is known: the question goes, and with it the branch that only persons with the code
came to. Margins of persons without the code stay the same to the last bit: thresholds and values
are copied as they are written.

Of LightGBM's text that stays which scores need: questions, thresholds, branches, values. What it
counted (rows in each leaf, the range of each feature) is left out, and so are its parameters.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

#: Bits of decision_type: where a missing value goes, and what counts as one.
_DEFAULT_LEFT, _MISSING_SHIFT, _MISSING_IS_ZERO = 2, 2, 1


class Tree(NamedTuple):
    """A tree of the text: its values by name, as they are written.

    A child is the number of a question, or the complement (~) of the number of a leaf.
    """

    fields: dict[str, list[str]]

    def numbers(self, name: str) -> list[int]:
        """Whole numbers of a field."""
        return [int(text) for text in self.fields[name]]


def reduced_trees(text: str, columns: npt.NDArray[np.intp]) -> str:
    """Trees that ask for the features ``columns`` alone, which are numbered anew in their order.

    Parameters
    ----------
    text
        The trees, as LightGBM writes them.
    columns
        Features that stay, ascending. Where none does the trees read one column, of 0.
    """
    head, *blocks = text.partition("\nend of trees")[0].split("\nTree=")
    place = {int(column): number for number, column in enumerate(columns)}
    trees = [_reduced(_read_tree(block), place) for block in blocks]
    return "".join([_header(head, max(len(columns), 1)), *_written(trees), "end of trees\n\n"])


def _header(head: str, features: int) -> str:
    """First lines of the text, for so many features without names and ranges."""
    lines = dict(line.split("=", 1) for line in head.splitlines() if "=" in line)
    lines["max_feature_idx"] = str(features - 1)
    lines["feature_names"] = " ".join(f"Column_{column}" for column in range(features))
    lines["feature_infos"] = " ".join(["none"] * features)
    del lines["tree_sizes"]
    return "\n".join(["tree", *(f"{name}={value}" for name, value in lines.items()), "", ""])


def _read_tree(block: str) -> Tree:
    lines = [line.split("=", 1) for line in block.splitlines()[1:] if "=" in line]
    return Tree({name: value.split() for name, value in lines})


def _reduced(tree: Tree, place: dict[int, int]) -> Tree:
    """Tree without the questions about features that have no ``place``."""
    feature = tree.numbers("split_feature") if "split_feature" in tree.fields else []
    answers = list(_answers_of_zero(tree, len(feature)))

    def answered(node: int) -> int:
        while node >= 0 and feature[node] not in place:
            node = answers[node]
        return node

    children = [tree.numbers(name) if feature else [] for name in ("left_child", "right_child")]
    waiting, questions, leaves = [answered(0 if feature else -1)], [], []
    while waiting:
        node = waiting.pop()
        if node < 0:
            leaves.append(~node)
        else:
            questions.append(node)
            waiting += [answered(children[1][node]), answered(children[0][node])]
    number = {node: new for new, node in enumerate(questions)}
    number |= {~leaf: ~new for new, leaf in enumerate(leaves)}
    fields = {
        "num_leaves": [str(len(leaves))],
        "num_cat": ["0"],
        "split_feature": [str(place[feature[node]]) for node in questions],
        **{name: [tree.fields[name][node] for node in questions] for name in _OF_QUESTIONS},
        **{
            name: [str(number[answered(child[node])]) for node in questions]
            for name, child in zip(("left_child", "right_child"), children, strict=True)
        },
        "leaf_value": [tree.fields["leaf_value"][leaf] for leaf in leaves],
        "is_linear": ["0"],
        "shrinkage": tree.fields["shrinkage"],
    }
    return Tree(fields)


#: What is copied of each question that stays.
_OF_QUESTIONS = ("threshold", "decision_type")


def _answers_of_zero(tree: Tree, questions: int) -> Iterator[int]:
    """Which child a row with 0 in the feature goes to, for each question."""
    for node in range(questions):
        kind = int(tree.fields["decision_type"][node])
        if kind >> _MISSING_SHIFT & 3 == _MISSING_IS_ZERO:
            left = bool(kind & _DEFAULT_LEFT)
        else:
            left = float(tree.fields["threshold"][node]) >= 0
        yield int(tree.fields["left_child" if left else "right_child"][node])


def _written(trees: Sequence[Tree]) -> Iterator[str]:
    for number, tree in enumerate(trees):
        lines = [f"{name}={' '.join(values)}" for name, values in tree.fields.items()]
        yield "\n".join([f"Tree={number}", *lines, "", "", ""])
