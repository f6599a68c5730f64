"""`ovc devices`: what this machine can run networks on."""

from __future__ import annotations

from .compile import Json
from .console import note, print_json, show, table


def devices_command(json: Json = False) -> None:
    """List the devices of this machine."""
    from ovc.runtime.devices import list_devices

    found = list_devices()
    if json:
        print_json(
            [
                {"device": d.name, "available": not d.problem, "problem": d.problem}
                | {"full_name": d.full_name, "facts": d.facts}
                for d in found
            ]
        )
        return
    result = table("Devices", "device", "what", "facts")
    for device in found:
        if device.problem:
            continue
        facts = ", ".join(
            f"{key}: {value}"
            for key, value in device.facts.items()
            if isinstance(value, int | str) and key not in ("name", "type")
        )
        result.add_row(device.name, device.full_name, facts)
    show(result)
    for device in found:
        if device.problem:
            note(f"{device.name}: {device.problem}", style="yellow")
