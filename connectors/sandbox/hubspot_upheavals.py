"""What happens to an account while somebody reads it: the faults that change records.

Belongs here: which record a fault changes, and how. Does not belong here: when (hubspot_faults) or
what a change does to a record (records).
"""

import sys

from connectors.sandbox.account import Account
from connectors.sandbox.faults import Switch

_ALL = sys.maxsize


def upheave(switch: Switch, account: Account, object_type: str) -> None:
    """Carry out a change of the account's; nothing happens where no record will do."""
    with account.lock:
        table = account.table(object_type)
        alive, _ = table.page(0, _ALL, archived=False)
        live = [record.id for record in alive]
        match switch.fault.name:
            case "hubspot.record_created":
                account.add(object_type, _properties(switch))
            case "hubspot.records_touched":
                now = account.clock()
                for record_id in live:
                    account.update(object_type, record_id, {}, at=now)
            case "hubspot.record_restored":
                archive, _ = table.page(0, _ALL, archived=True)
                for record_id in _chosen(switch, [record.id for record in archive]):
                    account.restore(object_type, record_id)
            case "hubspot.record_merged":
                for record_id in _chosen(switch, live[:-1]):
                    account.merge(object_type, record_id, live[-1])
            case _:
                for record_id in _chosen(switch, live):
                    _change(switch, account, object_type, record_id)


def _change(switch: Switch, account: Account, object_type: str, record_id: int) -> None:
    match switch.fault.name:
        case "hubspot.record_updated":
            account.update(object_type, record_id, _properties(switch))
        case "hubspot.record_calculated":
            account.update(object_type, record_id, _properties(switch), touch=False)
        case "hubspot.record_archived":
            account.archive(object_type, record_id)
        case "hubspot.record_deleted":
            account.delete(object_type, record_id)


def _chosen(switch: Switch, ids: list[int]) -> list[int]:
    """The record that is named if it is among these, else the first; none if there is none."""
    if switch.values["record"] is None:
        return ids[:1]
    return [record_id for record_id in ids if record_id == switch.number("record")]


def _properties(switch: Switch) -> dict[str, str]:
    name = switch.text("property")
    return {name: switch.text("value")} if name else {}
