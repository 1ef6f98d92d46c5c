"""croissant.json: files, columns and limits of a dataset for machines (mlcommons.org/croissant).

The Hub makes one of its own from the Parquet files; it knows no checksums and nothing of how the
rows were made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from curate.sinks.metadata import by_config, split_glob
from curate.sinks.shards import Shard

if TYPE_CHECKING:
    import pyarrow

    from curate.sinks.card import Told

CONFORMS = ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]
PARQUET = "application/x-parquet"
TYPES = {
    **{"string": "sc:Text", "int32": "cr:Int32", "int64": "cr:Int64", "bool": "sc:Boolean"},
    **{"float": "cr:Float32", "double": "cr:Float64"},
}
_OF_CROISSANT = (
    *("arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field"),
    *("fileProperty", "fileObject", "fileSet", "format", "includes", "isArray", "isLiveDataset"),
    *("jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex"),
    *("repeated", "replace", "samplingRate", "separator", "source", "subField", "transform"),
)
# The context that the specification gives (docs.mlcommons.org/croissant/docs/croissant-spec.html).
CONTEXT: dict[str, Any] = {
    **{"@language": "en", "@vocab": "https://schema.org/", "sc": "https://schema.org/"},
    **{"cr": "http://mlcommons.org/croissant/", "rai": "http://mlcommons.org/croissant/RAI/"},
    **{"dct": "http://purl.org/dc/terms/", "conformsTo": "dct:conformsTo"},
    **{"data": {"@id": "cr:data", "@type": "@json"}},
    **{"dataType": {"@id": "cr:dataType", "@type": "@vocab"}},
    **{"examples": {"@id": "cr:examples", "@type": "@json"}},
    **{"description": {"@container": "@language"}, "name": {"@container": "@language"}},
    **{name: f"cr:{name}" for name in _OF_CROISSANT},
}


def croissant(told: Told, fields: pyarrow.Schema) -> dict[str, Any]:
    """The dataset as Croissant 1.1: a file for each shard with its SHA-256, a record set for each
    config.
    """
    pipeline = told.manifest.get("pipeline") or {}
    configs = by_config(told.shards)
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS,
        "name": told.name,
        "description": pipeline.get("doc") or "Answers of a model, checked.",
        "license": sorted({p.licence.url or p.stated or "unknown" for p in told.terms.parties}),
        "inLanguage": sorted(code for code in told.statistics.languages if code),
        "keywords": ["synthetic", *sorted(d for d in told.statistics.domains if d)],
        "distribution": [
            *(_file(shard) for shard in told.shards),
            *(_files(name, of) for name, of in configs.items()),
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": name,
                "name": name,
                "description": " and ".join(
                    f"{sum(s.rows for s in shards):,} rows of {split}"
                    for split, shards in of.items()
                ),
                "field": list(_fields(name, fields)),
            }
            for name, of in configs.items()
        ],
        **_responsible(told),
    }


def _file(shard: Shard) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": shard.path,
        "name": shard.path,
        "contentUrl": shard.path,
        "contentSize": f"{shard.bytes} B",
        "encodingFormat": PARQUET,
        "sha256": shard.sha256,
    }


def _files(config: str, splits: Mapping[str, Sequence[Shard]]) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": f"{config}-files",
        "name": f"{config}-files",
        "encodingFormat": PARQUET,
        "includes": [split_glob(shards) for shards in splits.values()],
    }


def _fields(config: str, fields: pyarrow.Schema) -> Iterator[dict[str, Any]]:
    import pyarrow as pa

    for field in fields:
        if pa.types.is_list(field.type):
            inner = [
                _field(config, f"{field.name}/{f.name}", f.type, field.name, f.name)
                for f in field.type.value_type
            ]
            own = {"@type": "cr:Field", "@id": f"{config}/{field.name}", "name": field.name}
            yield own | {"isArray": True, "arrayShape": "-1", "subField": inner}
        else:
            yield _field(config, field.name, field.type, field.name)


def _field(
    config: str, name: str, kind: pyarrow.DataType, column: str, inside: str | None = None
) -> dict[str, Any]:
    source: dict[str, Any] = {
        "fileSet": {"@id": f"{config}-files"},
        "extract": {"column": column},
    }
    if inside:
        source["transform"] = {"jsonPath": inside}
    return {
        "@type": "cr:Field",
        "@id": f"{config}/{name}",
        "name": name,
        "dataType": TYPES[str(kind)],
        "source": source,
    }


def _responsible(told: Told) -> dict[str, Any]:
    """What the run knows for the fields of responsible AI; the rest is for an author to say."""
    statistics = told.statistics
    models = sorted(model for model, _ in statistics.models if model)
    verdicts = sorted(statistics.verdicts)
    found: dict[str, Any] = {
        "rai:dataCollection": "Prompts from the sources named in the card"
        + (f", answered by {', '.join(models)}." if models and statistics.answers else "."),
        "rai:dataAnnotationProtocol": "Every verdict is a score from 0 to 1 with its reason, by "
        "the scorer of that name; what cannot be judged is null."
        if verdicts
        else None,
        "rai:machineAnnotationTools": verdicts,
        "rai:dataLimitations": [
            "A row is as right as its verdicts: a checked final answer does not prove that every "
            "step of the reasoning is sound."
        ],
        "rai:dataBiases": [
            "Rejection sampling prefers problems that the model can solve; harder ones are rarer "
            "than in the sources."
        ]
        if statistics.answers
        else [],
    }
    return {name: value for name, value in found.items() if value}
