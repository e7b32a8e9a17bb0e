"""The properties that an object type has in an account, with their types.

Belongs here: bringing together what every portal has, the columns of the file, what
properties.json says and what the values show. Does not belong here: the rules of inference
(hubspot_properties) or HTTP.
"""

from collections.abc import Mapping

from connectors.sandbox.account import Account
from connectors.sandbox.hubspot_properties import PropertyType, infer_type, standard_properties


class Schema:
    """Property names and types of one account's objects; a type, once inferred, stays.

    A portal's property keeps its type when a dirty value comes, so a value that is set later
    doesn't change it either.
    """

    def __init__(self, account: Account) -> None:
        self._account = account
        self._types: dict[str, dict[str, PropertyType]] = {}

    def types(self, object_type: str) -> Mapping[str, PropertyType]:
        """Each property of an object type and its type, by name."""
        with self._account.lock:
            table = self._account.table(object_type)
            overrides = self._account.overrides.get(object_type, {})
            known = self._types.setdefault(object_type, {})
            names = {*standard_properties(object_type), *table.columns, *overrides}
            for name in sorted(names - known.keys()):
                override = overrides.get(name)
                known[name] = (override.type if override else None) or infer_type(
                    name, table.values(name)
                )
            return known
