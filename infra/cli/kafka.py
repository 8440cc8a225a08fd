"""`palimpsest kafka`: only a broker, independent of `palimpsest up`."""

import time
from pathlib import Path

from infra.cli.terminal import Terminal
from infra.cli.up import KAFKA_FOLDER, KAFKA_SERVERS
from infra.local.servers.kafka import EmbeddedKafka
from infra.local.supervisor import ProcessTree, only_one, signals_interrupt


def serve(folder: Path, *, port: int | None = None) -> None:
    """Start the broker of a data folder and keep it running until Ctrl-C or SIGTERM.

    Raises:
        ServerError: it cannot start; the message says why and what to do.
    """
    console = Terminal()
    began = time.monotonic()
    broker, tree = EmbeddedKafka(folder / KAFKA_FOLDER, port=port), ProcessTree()
    with only_one(broker.folder), signals_interrupt():
        try:
            tree.start("kafka", broker)
            console.print("\nKafka is ready", style="bold green", end="")
            console.print(f" after {time.monotonic() - began:.1f} s: {broker.address}\n")
            console.print(f"To publish to it:  {KAFKA_SERVERS}={broker.address} make run")
            console.print("Ctrl-C stops the broker; its records stay.\n")
            tree.watch()
        except KeyboardInterrupt:
            console.print("\nStopping...")
        finally:
            tree.stop()
    console.print(f"Stopped. The records are in {broker.folder}.")
