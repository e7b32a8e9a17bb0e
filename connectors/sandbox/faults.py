"""Which faults are switched on in a running sandbox, for which requests, and how often still.

Belongs here: switching on by name, counting down, and how a fault is written as text. Does not
belong here: what there is (fault_table) or what a fault does (hubspot_faults, ga4_faults).
"""

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from connectors.sandbox.fault_table import (
    FAULTS,
    PARAMETERS,
    Fault,
    Stage,
    Value,
)
from okr_sync.config.wording import advice, listed, near_miss
from okr_sync.errors import UsageError


@dataclass
class Switch:
    """A fault that is switched on.

    `left` is how often it still comes, None as long as it is not switched off; `skip` how many
    requests that it could meet it lets pass first. `on` is a kind of request, `object` a HubSpot
    object; None is any that the fault can meet.
    """

    fault: Fault
    left: int | None
    skip: int
    on: str | None
    object: str | None
    values: Mapping[str, Value | None]

    def number(self, name: str) -> int:
        """A whole number among its parameters."""
        return int(self.values[name] or 0)

    def seconds(self) -> float:
        """Its `seconds`."""
        return float(self.values["seconds"] or 0)

    def text(self, name: str) -> str:
        """A text among its parameters; empty if none was given."""
        value = self.values[name]
        return "" if value is None else str(value)

    def described(self) -> dict[str, Any]:
        """It as JSON, in the words of the control endpoint."""
        told = {"name": self.fault.name, "times": self.left, "after": self.skip}
        more = {"on": self.on, "object": self.object, **self.values}
        return {**told, **{name: value for name, value in more.items() if value is not None}}

    def _meets(self, kind: str, object_type: str) -> bool:
        if self.left == 0 or self.object not in (None, object_type):
            return False
        return kind == self.on if self.on is not None else kind in self.fault.requests

    def due(self, kind: str, object_type: str) -> bool:
        """Whether it comes into this request; counts a request that it lets pass."""
        if not self._meets(kind, object_type):
            return False
        if self.skip:
            self.skip -= 1
            return False
        return True

    def use(self) -> None:
        """Count that it came."""
        if self.left is not None:
            self.left -= 1


_PARTS: Final = {"hubspot": "HubSpot", "ga4": "GA4"}


class Faults:
    """The switchboard of a sandbox; safe between threads. Raises UsageError for what it can't do.

    `objects` are those that a fault of HubSpot's may be kept to, `apis` what the account has.
    """

    def __init__(
        self, objects: Sequence[str] = (), apis: Collection[str] = ("hubspot", "ga4")
    ) -> None:
        self._objects = objects
        self._apis = apis
        self._lock = threading.Lock()
        self._on: list[Switch] = []

    def switch_on(
        self,
        name: str,
        *,
        times: int | None = None,
        after: int = 0,
        on: str | None = None,
        object: str | None = None,
        **values: Value,
    ) -> Switch:
        """Switch a fault on: `times` times (else until it is switched off), not for the first
        `after` requests that it could meet, for one kind of request or one object only if given.
        """
        fault = find(name)
        if fault.api not in self._apis:
            has = " and ".join(_PARTS[api] for api in self._apis)
            raise UsageError(
                f"{name} would never come: the account has no {_PARTS[fault.api]}, only {has}. Give "
                f"account.yaml a part `{fault.api}`, or choose a fault of what it has."
            )
        _check_place(fault, on, object, self._objects)
        left, skip = _count(f"{name}: times", times), _count(f"{name}: after", after) or 0
        switch = Switch(fault, left, skip, on, object, _values(fault, values))
        with self._lock:
            self._on.append(switch)
        return switch

    def switch_off(self, name: str | None = None) -> None:
        """Switch a fault off, or all."""
        if name is not None:
            find(name)
        with self._lock:
            self._on = [one for one in self._on if name not in (None, one.fault.name)]

    def switched(self) -> list[dict[str, Any]]:
        """What is on and not used up, as JSON."""
        with self._lock:
            return [one.described() for one in self._on if one.left != 0]

    def told(self, name: str, parameter: str) -> list[str]:
        """A text parameter of a fault, for each time that it is on; nothing counts as used."""
        with self._lock:
            own = [one for one in self._on if one.fault.name == name and one.left != 0]
            return [one.text(parameter) for one in own]

    def is_on(self, name: str) -> bool:
        """Whether a fault is on and not used up."""
        with self._lock:
            return any(one.fault.name == name and one.left != 0 for one in self._on)

    def take(self, api: str, stage: Stage, kind: str, object_type: str = "") -> Sequence[Switch]:
        """The faults that come into a request at this stage; each counts as used."""
        with self._lock:
            due = [one for one in self._of(api, stage) if one.due(kind, object_type)]
            for one in due:
                one.use()
            return due

    def take_one(
        self, api: str, stage: Stage, kind: str, object_type: str = "", transport: str = ""
    ) -> Switch | None:
        """The one that was switched on first among them; the others wait for a later request.

        Only what can be had on a transport, if one is given.
        """
        with self._lock:
            possible = [
                one
                for one in self._of(api, stage)
                if not transport or transport in one.fault.transports
            ]
            due = [one for one in possible if one.due(kind, object_type)]
            for one in due[:1]:
                one.use()
            return due[0] if due else None

    def _of(self, api: str, stage: Stage) -> list[Switch]:
        return [one for one in self._on if one.fault.api == api and one.fault.stage is stage]


def find(name: str) -> Fault:
    """The fault of that name; UsageError with the near miss where there is none."""
    fault = FAULTS.get(name)
    if fault is not None:
        return fault
    bare = {known.partition(".")[2]: known for known in FAULTS}
    meant = near_miss(name, FAULTS) or bare.get(near_miss(name, bare) or "")
    hint = f"Did you mean {meant}?" if meant else "`okr-sync sandbox --faults` lists them."
    raise UsageError(f"The sandbox has no fault {name!r}. {hint}")


def described(fault: Fault) -> dict[str, Any]:
    """A row of the table as JSON."""
    return {
        "name": fault.name,
        "does": fault.does,
        "transports": list(fault.transports),
        "requests": list(fault.requests),
        "takes": dict(fault.takes),
    }


def read_switch(text: str) -> dict[str, Any]:
    """The arguments of `Faults.switch_on` in `NAME[:n][,key=value…]`; UsageError if it isn't of that form.

    Names and values are checked by `Faults.switch_on`.
    """
    head, *parts = text.split(",")
    name, colon, times = head.partition(":")
    told: dict[str, Any] = {"name": name}
    if colon:
        told["times"] = _number(f"{name}: how often", times, int)
    for part in parts:
        key, equals, value = part.partition("=")
        if not equals or key in ("name", "times"):
            raise UsageError(f"{part!r} in the fault {text!r} must be key=value.")
        told[key] = value
    return told


def _check_place(
    fault: Fault, on: str | None, object_type: str | None, objects: Sequence[str]
) -> None:
    if on is not None and on not in fault.requests:
        raise UsageError(f"{fault.name} can't come on {on!r}. {advice(on, fault.requests)}")
    if object_type is not None and fault.api != "hubspot":
        raise UsageError(f"{fault.name} has no object: only faults of HubSpot's do.")
    if object_type is not None and object_type not in objects:
        raise UsageError(
            f"The account has no object {object_type!r}. {advice(object_type, objects)}"
        )


def _values(fault: Fault, given: Mapping[str, Value]) -> dict[str, Value | None]:
    values = dict(fault.takes)
    for name, value in given.items():
        if name not in fault.takes:
            own = (*fault.takes, "times", "after", "on", "object")
            raise UsageError(f"{fault.name} takes no {name!r}, but {listed(own, 'and')}.")
        values[name] = _number(f"{fault.name}: {name}", value, PARAMETERS[name].type)
    for name in fault.needs:
        if values[name] is None:
            raise UsageError(f"{fault.name} needs {name}=, {PARAMETERS[name].means}.")
    if "metric" in values:
        _check_metric(fault, values["metric"])
    return values


def _check_metric(fault: Fault, metric: Value | None) -> None:
    # Imported here because HubSpot's faults need nothing of GA4's.
    from connectors.sandbox.ga4_schema import revenue_metrics

    known = revenue_metrics()
    if metric not in known:
        raise UsageError(
            f"{fault.name} needs metric=, a metric of revenue. {advice(str(metric), known)}"
        )


def _number(name: str, value: Any, kind: type[int] | type[float] | type[str]) -> Value:
    """A parameter's value in its type; times, sizes and seconds are not negative."""
    try:
        if isinstance(value, bool):
            raise TypeError
        read = kind(value)
    except (TypeError, ValueError):
        raise UsageError(f"{name} must be {_TYPE_NAMES[kind]}, not {value!r}.") from None
    if not isinstance(read, str) and not 0 <= read < _MOST:
        raise UsageError(f"{name} must be {_TYPE_NAMES[kind]} from 0 up, not {value!r}.")
    return read


_TYPE_NAMES = {int: "a whole number", float: "a number", str: "a text"}
_MOST = 10**15


def _count(name: str, value: Any) -> int | None:
    return None if value is None else int(_number(name, value, int))
