"""The delivery to a SIEM, as a part of the worker."""

import asyncio

from adapters.siem import HttpsSiem
from infra.bootstrap.write_side import WriteSide, utc_now
from infra.settings.siem import SiemSettings
from infra.siem import lag
from infra.siem.delivery import SiemDelivery


async def deliver_history(settings: SiemSettings, core: WriteSide) -> None:
    """Deliver the history until cancelled; without an address, do nothing."""
    if settings.url is None or settings.secret is None:
        return
    url, secret = settings.url.get_secret_value(), settings.secret.get_secret_value()
    siem = HttpsSiem(url, secret, utc_now, settings.cafile)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(SiemDelivery(core.url, core.database, core.keyring, siem).run())
            tasks.create_task(lag.watch(core.database))
    finally:
        await siem.close()
