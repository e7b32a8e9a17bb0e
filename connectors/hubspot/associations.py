"""The associations of records: which contacts a deal has.

Belongs here: the requests, their paging, and the proof that no record was passed over. Does not
belong here: when they are read (pull) or how they are kept (okr_sync.warehouse.association_store).

Facts (associations v4 guide, api facts B3): a batch takes up to 1,000 ids and gives up to 500
associations of each, with a token of its own for more; a record without associations is left out of
the results or told of in `errors`.
"""

from collections.abc import Collection, Sequence
from typing import Any, Final

from connectors.hubspot.paths import Paths
from connectors.hubspot.transport import Document, ShapeError, Transport
from okr_sync.errors import IncompletePullError

_BATCH: Final = 1_000
_ROUNDS: Final = 3
_NOTHING_NEW: Final = 3
_NONE_FOUND: Final = "NO_ASSOCIATIONS_FOUND"

Ties = dict[str, set[str]]
"""The ids that each record is tied to, by the record's id."""


class AssociationReader:
    """Reads the associations of one object's records; raises SourceError and its kin."""

    def __init__(self, transport: Transport, paths: Paths, source: str, object_type: str) -> None:
        self._transport = transport
        self._paths = paths
        self._source = source
        self._object = object_type

    def read(self, to_object: str, ids: Collection[str]) -> Ties:
        """All associations that these records have with another object's.

        Records that an answer leaves out are asked for again on their own, and only those that are
        left out again have none. Raises IncompletePullError when further ones turn up each time.
        """
        found, settled, _ = self._asked(to_object, sorted(ids))
        for _ in range(_ROUNDS):
            left_out = sorted(set(ids) - found.keys() - settled)
            if not left_out:
                return found
            more, settled_now, cut_off = self._asked(to_object, left_out)
            if not more and not cut_off:
                return found
            found |= more
            settled |= settled_now
        raise IncompletePullError(
            f"Source {self._source}: not all associations of {self._object} with {to_object} could "
            "be read: HubSpot left out records that it answered when asked again. Nothing of this "
            "read was used; the next run tries again."
        )

    def _asked(self, to_object: str, ids: Sequence[str]) -> tuple[Ties, set[str], set[str]]:
        """The ties of these records, the records of which HubSpot says that they have none, and those
        that have more but are left out where it goes on, of which nothing is given."""
        found: Ties = {}
        without: set[str] = set()
        cut_off: set[str] = set()
        for start in range(0, len(ids), _BATCH):
            inputs: list[dict[str, str]] = [{"id": one} for one in ids[start : start + _BATCH]]
            continued: set[str] = set()
            nothing_new = 0
            while inputs:
                answer = self._page(to_object, inputs)
                is_new = False
                for result in answer["results"]:
                    mine = found.setdefault(result["from"]["id"], set())
                    before = len(mine)
                    mine.update(str(tie["toObjectId"]) for tie in result["to"])
                    is_new |= len(mine) > before
                answered = {result["from"]["id"] for result in answer["results"]}
                without_any = _without_ties(answer)
                without |= without_any
                cut_off |= continued - answered - without_any
                inputs = _continued(answer)
                continued = {one["id"] for one in inputs}
                nothing_new = 0 if is_new else nothing_new + 1
                if inputs and nothing_new > _NOTHING_NEW:
                    raise IncompletePullError(
                        f"Source {self._source}: HubSpot's list of the associations of "
                        f"{self._object} with {to_object} leads round in a circle. Nothing of this "
                        "read was used; the next run tries again."
                    )
        whole = {one: ties for one, ties in found.items() if ties and one not in cut_off}
        return whole, without, cut_off

    def _page(self, to_object: str, inputs: Sequence[dict[str, str]]) -> Document:
        asked = {one["id"] for one in inputs}

        def check(document: Document) -> None:
            _check_answer(document, asked)

        return self._transport.post(
            self._paths.associations(self._object, to_object),
            {"inputs": list(inputs)},
            reading=f"the associations of {self._object} with {to_object}",
            check=check,
        )


def _check_answer(document: Document, asked: Collection[str]) -> None:
    if document.get("status", "COMPLETE") != "COMPLETE":
        raise ShapeError(f"its status is {str(document['status'])[:30]!r}.")
    results = document.get("results")
    if not isinstance(results, list):
        raise ShapeError("it has no list of results.")
    for result in results:
        origin = result.get("from") if isinstance(result, dict) else None
        if not isinstance(origin, dict) or not isinstance(result.get("to"), list):
            raise ShapeError("a result has no `from` or no `to`.")
        if origin.get("id") not in asked:
            raise ShapeError("it has a record that was not asked for.")
        for tie in result["to"]:
            to_id = tie.get("toObjectId") if isinstance(tie, dict) else None
            if isinstance(to_id, bool) or not str(to_id).isdigit():
                raise ShapeError("an association has no id.")
        _token(result)
    for error in _errors(document):
        if _NONE_FOUND not in str(error.get("subCategory")):
            raise ShapeError(f"it says: {str(error.get('message'))[:200]}")


def _errors(document: Document) -> list[dict[str, Any]]:
    errors = document.get("errors") or []
    if not isinstance(errors, list) or not all(isinstance(one, dict) for one in errors):
        raise ShapeError("its errors are not a list.")
    return errors


def _without_ties(answer: Document) -> set[str]:
    ids: set[str] = set()
    for error in _errors(answer):
        context = error.get("context")
        named = context.get("fromObjectId") if isinstance(context, dict) else None
        listed = named if isinstance(named, list) else [named]
        ids.update(str(one) for one in listed if isinstance(one, str | int))
    return ids


def _continued(answer: Document) -> list[dict[str, str]]:
    """What to ask for the next associations of the records that have more."""
    return [
        {"id": result["from"]["id"], "after": token}
        for result in answer["results"]
        if (token := _token(result)) is not None
    ]


def _token(result: Document) -> str | None:
    paging = result.get("paging")
    if paging is None:
        return None
    following = paging.get("next") if isinstance(paging, dict) else None
    token = following.get("after") if isinstance(following, dict) else None
    if not isinstance(token, str) or not token:
        raise ShapeError("it speaks of more associations and does not say which.")
    return token
