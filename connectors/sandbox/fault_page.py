"""The table of faults as people read it: on the terminal and in docs/sandbox.md.

Belongs here: the table as text. Does not belong here: the table itself (fault_table). Running this
module writes the tables of docs/sandbox.md anew: `python -m connectors.sandbox.fault_page PAGE`.
"""

import sys
from pathlib import Path

from connectors.sandbox.fault_table import FAULTS, GA4_REQUESTS, HUBSPOT_REQUESTS, PARAMETERS, Fault

_APIS = {"hubspot": HUBSPOT_REQUESTS, "ga4": GA4_REQUESTS}
_NAMES = {"hubspot": "HubSpot", "ga4": "GA4"}
_MARKED = "<!-- faults: {api} -->\n"
_END = "<!-- end -->"


def fault_list() -> str:
    """Every fault on a line, with what it takes."""
    width = max(map(len, FAULTS))
    lines = [
        "Switch one on with --fault NAME[:n][,key=value…]: n times, or until it is switched off.",
        "Each takes after=N (not for the first N requests that it could meet) and on=KIND (only for this",
        "kind of request), HubSpot's also object=NAME (only for this object); in [ ] what it takes besides.",
    ]
    for api, kinds in _APIS.items():
        lines += ["", f"{_NAMES[api]}. Kinds of request: {', '.join(kinds)}"]
        for fault in _of(api):
            takes = f" [{', '.join(_taken(fault))}]" if fault.takes else ""
            lines.append(f"{fault.name:<{width}}  {fault.does}{takes}")
    return "\n".join(lines)


def fault_table(api: str) -> str:
    """The faults of one API as a Markdown table."""
    lines = ["| fault | what happens | takes | requests |", "|---|---|---|---|"]
    everywhere = _of(api)[0].transports
    for fault in _of(api):
        kinds = "all" if fault.requests == _APIS[api] else ", ".join(fault.requests)
        only = "" if fault.transports == everywhere else f" ({', '.join(fault.transports)} only)"
        takes = ", ".join(f"`{one}`" for one in _taken(fault))
        lines.append(f"| `{fault.name}` | {fault.does}{only} | {takes} | {kinds} |")
    return "\n".join(lines) + "\n"


def parameter_table() -> str:
    """The parameters of faults as a Markdown table."""
    rows = [f"| `{name}` | {one.means} |" for name, one in PARAMETERS.items()]
    return "\n".join(["| parameter | meaning |", "|---|---|", *rows]) + "\n"


def filled_page(page: str) -> str:
    """A page with the tables between its marks as they are now."""
    tables = {api: fault_table(api) for api in _APIS} | {"parameters": parameter_table()}
    for name, table in tables.items():
        mark = _MARKED.format(api=name)
        before, found, rest = page.partition(mark)
        if found:
            page = f"{before}{mark}\n{table}\n{_END}{rest.partition(_END)[2]}"
    return page


def _of(api: str) -> list[Fault]:
    return [fault for fault in FAULTS.values() if fault.api == api]


def _taken(fault: Fault) -> list[str]:
    return [
        f"{name}={'…' if name in fault.needs else ''}" if value is None else f"{name}={value}"
        for name, value in fault.takes.items()
    ]


if __name__ == "__main__":
    _path = Path(sys.argv[1])
    _path.write_text(filled_page(_path.read_text(encoding="utf-8")), encoding="utf-8")
