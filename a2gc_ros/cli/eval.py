"""``a2gc eval``: recall of models on benchmarks and on data of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from a2gc_ros.cli.base import any_typer as typer
from a2gc_ros.cli.base import options
from a2gc_ros.cli.base.app import app
from a2gc_ros.cli.base.image_size import parse_size
from a2gc_ros.cli.base.output import echo_json, echo_result
from a2gc_ros.cli.base.spaced_lists import command_with, items
from a2gc_ros.cli.eval_data import Own, open_all, watch_bars
from a2gc_ros.errors import ConfigError
from a2gc_ros.shipped import DEFAULT_MODEL


@app.command("eval", cls=command_with("--model", "--datasets"))
def evaluate(
    *,
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            help="Shipped or registered names, ONNX files, checkpoints of a training or as published, with spaces or "
            "commas between them.  [default: a2gc-efficientnet-lite0]",
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(help="Input size of names and checkpoints: 322, or 240x320 (height x width). Theirs by default."),
    ] = None,
    datasets: Annotated[
        list[str] | None,
        typer.Option(
            help="Names of protocols or .yaml files, with spaces or commas between them; all takes what is there."
        ),
    ] = None,
    data_root: options.DataRoot = None,
    database: options.Database = None,
    queries: options.Queries = None,
    truth: options.Truth = None,
    database_truth: Annotated[
        str | None, typer.Option(help="Poses of the database's recording, where they are not --truth.")
    ] = None,
    rule: options.SamePlace,
    group_by: Annotated[
        str | None, typer.Option(help="Column of a .yaml's table: queries that resemble each other, for --ci.")
    ] = None,
    ci: Annotated[bool, typer.Option("--ci", help="Add 95 % bootstrap intervals.")] = False,
    compress: Annotated[
        str, typer.Option(help="Smaller descriptors to try: pca512, pcaw512, pca512+rabitq, pq64, sq8, ...")
    ] = "",
    ram: Annotated[str, typer.Option(help="Memory that the search may take, the whole process counted.")] = "4G",
    faiss_gpu: Annotated[bool, typer.Option("--faiss-gpu", help="Search on a GPU with faiss-gpu.")] = False,
    batch: Annotated[int, typer.Option(min=1, help="Images that run through the model at once.")] = 16,
    store: options.Store = None,
    shard: options.Shard = None,
    runtime: options.Runtime,
    per_query: Annotated[Path | None, typer.Option(help="Write a CSV with a row for each query.")] = None,
    predictions: Annotated[Path | None, typer.Option(help="Write the predictions that the MSLS server took.")] = None,
    table: Annotated[
        str | None, typer.Option(help="Print one table with published figures as markdown, latex or csv.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Measure how well models recognize places: recall@K, precision and recall, beside what others published.

    Benchmarks go by the name of their protocol (`a2gc datasets list`). A file ending in .yaml is a table of images with
    a protocol as in a training recipe. `--database` and `--queries` name two folders or two recordings of your own; the
    same recording twice is searched for its own loops. Descriptors are kept in `--store` and used again.

    Examples:
    - `a2gc eval --datasets pitts30k_test,msls_val --data-root ~/data --ci`

    - `a2gc eval --model salad.onnx a2gc-efficientnet-lite0 --datasets nordland_10f sped --data-root ~/data --json`

    - `a2gc eval --model dino_salad.ckpt --size 224 --datasets msls_val --data-root ~/data --table latex`

    - `a2gc eval --database map_photos --queries new_photos --truth positions.csv`

    - `a2gc eval --database monday.mcap --queries friday.mcap --radius 10`

    - `a2gc eval --datasets sf_xl_v1 --data-root ~/data --ram 4G --compress pca512,pcaw512,pca512+rabitq`

    - `a2gc eval --datasets sf_xl_v1 --data-root ~/data --store /scratch --shard auto/8` describes one part of eight;
      the same without `--shard` takes over what all have described
    """
    from a2gc_ros.cli.eval_tables import show
    from a2gc_ros.evaluation.evaluate import EvaluationSettings, describe_part
    from a2gc_ros.evaluation.evaluate import evaluate as run
    from a2gc_ros.evaluation.footprint import image_ms
    from a2gc_ros.evaluation.results import numbers, row_name, server_keys, write_per_query, write_predictions
    from a2gc_ros.evaluation.store import default_folder
    from a2gc_ros.evaluation.tables import FORMATS
    from a2gc_ros.extract import open_extractor
    from a2gc_ros.system.shards import parse as parse_shard
    from a2gc_ros.system.sizes import parse_size as parse_memory

    if table is not None and table not in FORMATS:
        raise ConfigError(f"--table is {table!r}; choose {', '.join(FORMATS)}.")
    pixels = parse_size(size)
    settings = EvaluationSettings(
        store=store or default_folder(),
        ram=parse_memory(ram),
        gpu=faiss_gpu,
        batch=batch,
        compress=tuple(name for name in compress.split(",") if name),
    )
    own = Own(database, queries, truth, rule, database_truth)
    sets = open_all(items(datasets), data_root, own, group_by)
    chosen = items(models) or [DEFAULT_MODEL]
    if (per_query or predictions) and len(chosen) * len(sets) > 1:
        raise ConfigError("--per-query and --predictions are for one model on one data set; ask for one.")
    if predictions is not None:
        server_keys(sets[0])
    part = None if shard is None else parse_shard(shard)
    outcomes, found = [], []
    for model in chosen:
        extractor = open_extractor(model, **vars(runtime), size=pixels)
        typer.echo(f"{extractor!r}: {extractor.reason}", err=True)
        ms = image_ms(extractor) if part is None else 0.0
        for dataset in sets:
            with watch_bars() as watch:
                if part is not None:
                    describe_part(dataset, extractor, settings, part, watch)
                    continue
                outcomes.append(run(dataset, extractor, settings, watch))
            found.append(numbers(outcomes[-1], row_name(model, extractor), ms, intervals=ci))
    if part is not None:
        sentence = f"{part} is described in {settings.store}; with all parts there, run this without --shard."
        told = {"part": [part.number, part.count], "store": str(settings.store)}
        echo_result(told, sentence, as_json=as_json)
        return
    if per_query is not None:
        write_per_query(outcomes[0], per_query)
    if predictions is not None:
        write_predictions(outcomes[0], predictions)
    if as_json:
        echo_json(found)
    elif table is not None:
        typer.echo(FORMATS[table](found))
    else:
        show(found)
