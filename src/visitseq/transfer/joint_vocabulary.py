"""One vocabulary for two hospitals: the source's, and what the target has besides.

The source's ids stay, so that what a model of the source knows is what it was. The codes of the
target that the source lacks follow, from the source's size on, in byte order. Of each of those the
ancestors that the source has are candidates: from the nearest that a model knows it can start.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from visitseq.encode.groups import group_code
from visitseq.transfer.mapping import mapped

Ids = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class JointVocabulary:
    """The codes, or the labels, of both.

    Attributes
    ----------
    names
        Table with code and description by id: the source's, then what the target has besides.
    source
        How many are the source's.
    own
        Names of the target's codes by the target's own ids, as the target writes them.
    ids
        Id here of each of ``own``, shape (own,).
    """

    names: pa.Table
    source: int
    own: pa.Array
    ids: Ids

    @property
    def in_target(self) -> npt.NDArray[np.bool_]:
        """Whether the target has each of the source's codes, shape (source,)."""
        return np.isin(np.arange(self.source), self.ids)

    @property
    def counts(self) -> dict[str, int]:
        """How many different codes are the source's, the target's and of both."""
        shared = int(self.in_target.sum())
        return {
            "source": self.source,
            "target": shared + len(self.names) - self.source,
            "shared": shared,
        }


def join_vocabularies(
    source: pa.Table, target: pa.Table, mapping: pa.Table | None
) -> JointVocabulary:
    """Lay the target's codes beside the source's.

    Parameters
    ----------
    source, target
        Tables of vocabulary.parquet or labels.parquet.
    mapping
        Of ``read_mapping``.
    """
    names, own = (table["code"].combine_chunks() for table in (source, target))
    written = mapped(own, mapping)
    place = pc.index_in(written, value_set=names)
    besides = pc.unique(written.filter(place.is_null()))
    besides = besides.take(pc.array_sort_indices(besides))
    number = pc.add(pc.index_in(written, value_set=besides), len(names))
    described = pc.index_in(besides, value_set=written)
    added = pa.table(
        {
            "code": besides,
            "description": target["description"].combine_chunks().take(described),
        }
    )
    return JointVocabulary(
        names=pa.concat_tables([source.select(["code", "description"]), added]),
        source=len(names),
        own=own,
        ids=pc.coalesce(place, number).to_numpy().astype(np.int32),
    )


def shared_ancestors(
    joint: JointVocabulary, ancestors: pa.Table, mapping: pa.Table | None
) -> pa.Table:
    """Ancestors that the source has of what it lacks, as a code or as a group.

    Parameters
    ----------
    joint
        Codes or labels.
    ancestors
        The target's ancestors.parquet.
    mapping
        Of ``read_mapping``; ancestors are written as codes are.

    Returns
    -------
    pyarrow.Table
        id, ancestor (both ids of ``joint``) and levels, int32, sorted by id, levels and ancestor.
    """
    lacking = joint.own.filter(pa.array(joint.ids >= joint.source))
    rows = ancestors.filter(pc.is_in(ancestors["code"], value_set=lacking))
    of = joint.ids[pc.index_in(rows["code"], value_set=joint.own).to_numpy()]
    names = rows["ancestor"].combine_chunks()
    forms = (mapped(names, mapping), pa.array(map(group_code, names.to_pylist()), pa.string()))
    known = joint.names["code"].slice(0, joint.source).combine_chunks()
    found = [
        pa.table(
            {
                "id": pa.array(of, pa.int32()),
                "ancestor": pc.index_in(form, value_set=known),
                "levels": rows["levels"],
            }
        )
        for form in forms
    ]
    candidates = pa.concat_tables(found).drop_null().group_by(["id", "ancestor"])
    nearest = candidates.aggregate([("levels", "min")]).rename_columns(["id", "ancestor", "levels"])
    order = [(name, "ascending") for name in ("id", "levels", "ancestor")]
    return nearest.sort_by(order)
