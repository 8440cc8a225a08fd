"""`palimpsest kafka`: a broker by itself, for whoever wants one that outlives `palimpsest up`."""

import time
from pathlib import Path

from rich.console import Console

from infra.cli.up import KAFKA_FOLDER, KAFKA_SERVERS
from infra.local.servers.kafka import EmbeddedKafka
from infra.local.supervisor import ProcessTree, only_one, signals_interrupt


def serve(folder: Path, *, port: int | None = None) -> None:
    """Start the broker of a data folder and keep it running until Ctrl-C or SIGTERM.

    Raises `ServerError` with words for the user when it cannot start.
    """
    console = Console(soft_wrap=True, highlight=False)
    began = time.monotonic()
    broker, tree = EmbeddedKafka(folder / KAFKA_FOLDER, port=port), ProcessTree()
    with only_one(broker.folder), signals_interrupt():
        try:
            tree.start("kafka", broker)
            console.print(f"\n[bold green]Kafka is ready[/] after {time.monotonic() - began:.1f} s: {broker.address}\n")
            console.print(f"Publish to it:  {KAFKA_SERVERS}={broker.address} make run")
            console.print("Ctrl-C stops it; its records stay.\n")
            tree.watch()
        except KeyboardInterrupt:
            console.print("\nStopping...")
        finally:
            tree.stop()
    console.print(f"Stopped. Its records are in {broker.folder}.")
