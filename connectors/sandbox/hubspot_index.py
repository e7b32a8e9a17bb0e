"""Finds and sorts the records that a search asks for.

Belongs here: the meaning of each operator by property type, and columns kept ready so that many
pages over many records stay quick. Does not belong here: reading the request
(hubspot_search_request) or what a record looks like in a response (hubspot_objects).
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from connectors.sandbox.account import Account
from connectors.sandbox.hubspot_properties import PropertyType
from connectors.sandbox.hubspot_search_request import Filter, Search, comparable
from connectors.sandbox.records import Record

_REMEMBERED_SEARCHES = 32
_TOKEN = re.compile(r"[\w*]+")

Mask = npt.NDArray[np.bool_]
Order = npt.NDArray[np.int64]
_State = tuple[int, int, PropertyType]
_Key = tuple[tuple[tuple[Filter, ...], ...], str | None, bool]


class SearchIndex:
    """The searchable state of an account; rebuilt for an object when its records change."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._snapshots: dict[str, tuple[_State, _Snapshot]] = {}

    def find(
        self,
        object_type: str,
        search: Search,
        types: Mapping[str, PropertyType],
        lag: timedelta = timedelta(0),
    ) -> tuple[int, list[Record]]:
        """How many records match in all, and the page of them that is asked for.

        What has changed within `lag` is not known yet, unless an earlier search knew it.
        """
        with self._account.lock:
            table = self._account.table(object_type)
            state = (*table.index_state(self._account.clock(), lag), types["hs_object_id"])
            known = self._snapshots.get(object_type)
            if known is None or known[0] != state:
                known = (state, _Snapshot(table.indexed_records(), types))
                self._snapshots[object_type] = known
            return known[1].page(search)


class _Snapshot:
    """The records of one object at one state of the index, as columns."""

    def __init__(self, records: Sequence[Record], types: Mapping[str, PropertyType]) -> None:
        self._records = sorted(records, key=lambda record: (record.created_at, record.id))
        self._types = types
        self._texts: dict[str, list[str | None]] = {}
        self._present: dict[str, Mask] = {}
        self._numbers: dict[str, npt.NDArray[np.float64]] = {}
        self._found: OrderedDict[_Key, Order] = OrderedDict()

    def page(self, search: Search) -> tuple[int, list[Record]]:
        key = (search.groups, search.sort_by, search.descending)
        order = self._found.get(key)
        if order is None:
            order = self._found[key] = self._order(search)
            if len(self._found) > _REMEMBERED_SEARCHES:
                self._found.popitem(last=False)
        self._found.move_to_end(key)
        chosen = order[search.offset : search.offset + search.limit]
        return len(order), [self._records[index] for index in chosen]

    def _order(self, search: Search) -> Order:
        mask = np.ones(len(self._records), dtype=np.bool_)
        if search.groups:
            mask[:] = False
            for group in search.groups:
                holds = np.ones(len(self._records), dtype=np.bool_)
                for one in group:
                    holds &= self._holds(one)
                mask |= holds
        matching = np.flatnonzero(mask)
        if search.sort_by is None:
            return matching
        return self._sorted(matching, search.sort_by, search.descending)

    def _sorted(self, matching: Order, name: str, descending: bool) -> Order:
        """By the property, ties by creation; records without a value come last either way."""
        present = self._have(name)[matching]
        have, lack = matching[present], matching[~present]
        if self._is_numeric(name):
            keys = self._column(name)[have]
            ranks = np.where(np.isnan(keys), np.inf, -keys if descending else keys)
        else:
            texts = np.array([(self._text(name)[index] or "").lower() for index in have])
            _, ranks = np.unique(texts, return_inverse=True)
            ranks = -ranks if descending else ranks
        return np.concatenate([have[np.argsort(ranks, kind="stable")], lack])

    def _holds(self, one: Filter) -> Mask:
        """Where a filter holds. A record without a value matches NOT_HAS_PROPERTY and nothing else.

        That NEQ, NOT_IN and NOT_CONTAINS_TOKEN leave such records out is the sandbox's choice where
        the documents are silent: a client that wants them has to ask for them.
        """
        present = self._have(one.property)
        if one.operator == "HAS_PROPERTY":
            return present
        if one.operator == "NOT_HAS_PROPERTY":
            return ~present
        if self._is_numeric(one.property):
            return self._compare(one) & present
        test = _text_test(one, self._types[one.property])
        verdicts = {text: test(text) for text in set(self._text(one.property)) if text is not None}
        return np.fromiter(
            (text is not None and verdicts[text] for text in self._text(one.property)),
            dtype=np.bool_,
            count=len(self._records),
        )

    def _compare(self, one: Filter) -> Mask:
        column = self._column(one.property)
        kind = self._types[one.property]
        given = [value for text in one.values if (value := comparable(text, kind)) is not None]
        holds: Mask
        match one.operator:
            case "LT":
                holds = column < given[0]
            case "LTE":
                holds = column <= given[0]
            case "GT":
                holds = column > given[0]
            case "GTE":
                holds = column >= given[0]
            case "BETWEEN":
                holds = (column >= given[0]) & (column <= given[1])
            case "EQ" | "IN":
                holds = np.isin(column, given)
            case _:
                holds = ~np.isin(column, given) & ~np.isnan(column)
        return holds

    def _is_numeric(self, name: str) -> bool:
        return self._types[name] in (
            PropertyType.NUMBER,
            PropertyType.DATETIME,
            PropertyType.DATE,
        )

    def _text(self, name: str) -> list[str | None]:
        if name not in self._texts:
            self._texts[name] = [record.properties.get(name) for record in self._records]
        return self._texts[name]

    def _have(self, name: str) -> Mask:
        if name not in self._present:
            self._present[name] = np.array(
                [text is not None for text in self._text(name)], dtype=np.bool_
            )
        return self._present[name]

    def _column(self, name: str) -> npt.NDArray[np.float64]:
        """A numeric or time property as numbers; what can't be read is NaN and matches nothing."""
        if name not in self._numbers:
            kind = self._types[name]
            values = (None if text is None else comparable(text, kind) for text in self._text(name))
            self._numbers[name] = np.array(
                [np.nan if value is None else value for value in values], dtype=np.float64
            )
        return self._numbers[name]


def _text_test(one: Filter, kind: PropertyType) -> Callable[[str], bool]:
    """What a filter asks of a text. Enumerations are case-sensitive, strings are not.

    IN and NOT_IN compare the lower-case text of a string with what was given, so a capital letter in
    the request never matches (api_facts B3).
    """
    operator, values = one.operator, one.values
    if operator in ("CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"):
        wanted = [_token_pattern(token) for token in _TOKEN.findall(values[0].lower())]

        def contains(text: str) -> bool:
            tokens = re.findall(r"\w+", text.lower())
            found = bool(wanted) and all(
                any(pattern.fullmatch(token) for token in tokens) for pattern in wanted
            )
            return found is (operator == "CONTAINS_TOKEN")

        return contains
    if kind is PropertyType.ENUMERATION:
        if operator in ("EQ", "IN"):
            return lambda text: any(part in values for part in text.split(";"))
        if operator in ("NEQ", "NOT_IN"):
            return lambda text: not any(part in values for part in text.split(";"))
    if operator == "IN":
        return lambda text: text.lower() in values
    if operator == "NOT_IN":
        return lambda text: text.lower() not in values
    given = [value.lower() for value in values]
    return {
        "EQ": lambda text: text.lower() == given[0],
        "NEQ": lambda text: text.lower() != given[0],
        "LT": lambda text: text.lower() < given[0],
        "LTE": lambda text: text.lower() <= given[0],
        "GT": lambda text: text.lower() > given[0],
        "GTE": lambda text: text.lower() >= given[0],
        "BETWEEN": lambda text: given[0] <= text.lower() <= given[-1],
    }[operator]


def _token_pattern(token: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in token.split("*")))
