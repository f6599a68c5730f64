"""`ovc devices`: what this machine can run networks on."""

from __future__ import annotations

from .compile import Json
from .console import print_json, show, table


def devices_command(json: Json = False) -> None:
    """List the devices of this machine."""
    from ovc.runtime.devices import available

    found = available()
    if json:
        print_json([device.facts() for device in found])
        return
    result = table("Devices", "name", "what", "driver", "threads", right=("threads",))
    for device in found:
        result.add_row(device.name, device.title, device.driver, str(device.threads))
    show(result)
