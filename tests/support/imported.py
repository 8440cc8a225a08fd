"""What takes a process of the product time at its start, done once: programs are forked from a process with it.

It keeps no thread and opens no connection: a fork would have half of them.
"""

import asyncio
import gc

from adapters.devices import device_name
from adapters.provider.token_counter import TiktokenCounter
from application.discovery import import_all

for package in ("application", "projections", "adapters", "infra.bootstrap", "infra.jobs", "infra.telemetry"):
    import_all(package)
device_name("")
asyncio.run(TiktokenCounter().start())  # its thread ends with the loop
gc.freeze()  # so that no fork copies memory by looking through it
