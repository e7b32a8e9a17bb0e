"""Strict reading of GA4 requests from JSON, with the errors of Google's own parser.

Belongs here: JSON names, types and enums against the message's descriptor. Does not belong here:
whether the request makes sense (ga4_validation).

As the service does, it takes camelCase and snake_case names, enums by name or by number and 64-bit
numbers as strings or numbers (API facts A2).
"""

import re
from typing import TypeVar

import orjson
import proto  # type: ignore[import-untyped]
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from connectors.sandbox.ga4_errors import invalid, invalid_value, unknown_json_name

M = TypeVar("M", bound=proto.Message)

_INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: ("TYPE_INT32", 31),
    FieldDescriptor.CPPTYPE_INT64: ("TYPE_INT64", 63),
}
_NUMBER = re.compile(r"-?\d+")


def parse_request(kind: type[M], body: bytes) -> M:
    """The message in the body; raises Ga4ApiError (400) naming the path of what is wrong."""
    try:
        data = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError as error:
        raise invalid(f"Invalid JSON payload received. {error}") from error
    if not isinstance(data, dict):
        raise invalid("Invalid JSON payload received. Root element must be a message.")
    message = type(kind.pb(kind()))()
    _check_message(data, message.DESCRIPTOR, "")
    try:
        json_format.ParseDict(data, message)
    except json_format.ParseError as error:
        raise invalid(f"Invalid JSON payload received. {error}") from error
    parsed: M = kind.wrap(message)
    return parsed


def _check_message(data: dict[str, object], descriptor: Descriptor, path: str) -> None:
    by_name = {field.name: field for field in descriptor.fields}
    by_json_name = {field.json_name: field for field in descriptor.fields}
    for name, value in data.items():
        field = by_json_name.get(name) or by_name.get(name)
        if field is None:
            raise unknown_json_name(name, path)
        its_path = f"{path}.{field.name}" if path else str(field.name)
        if value is None:
            continue  # null means the default, for every type
        if not field.is_repeated:
            _check_value(value, field, its_path)
            continue
        # The parser takes a single value for a list of one; a list is what clients send.
        if not isinstance(value, list):
            raise invalid_value(its_path, _type_name(field), orjson.dumps(value).decode())
        for index, item in enumerate(value):
            _check_value(item, field, f"{its_path}[{index}]")


def _check_value(value: object, field: FieldDescriptor, path: str) -> None:
    if field.message_type is not None:
        if isinstance(value, dict):
            _check_message(value, field.message_type, path)
            return
    elif _fits(value, field):
        return
    raise invalid_value(path, _type_name(field), orjson.dumps(value).decode())


def _fits(value: object, field: FieldDescriptor) -> bool:
    if field.enum_type is not None:
        if isinstance(value, str):
            return value in field.enum_type.values_by_name
        return not isinstance(value, bool) and value in field.enum_type.values_by_number
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return isinstance(value, bool)
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return isinstance(value, str)
    if field.cpp_type in _INTEGERS:
        bits = _INTEGERS[field.cpp_type][1]
        if isinstance(value, str) and _NUMBER.fullmatch(value):
            value = int(value)
        return (
            isinstance(value, int) and not isinstance(value, bool) and -(2**bits) <= value < 2**bits
        )
    if isinstance(value, str):
        try:
            float(value)
        except ValueError:
            return False
        return True
    return isinstance(value, int | float) and not isinstance(value, bool)


def _type_name(field: FieldDescriptor) -> str:
    if field.message_type is not None:
        return f"type.googleapis.com/{field.message_type.full_name}"
    if field.enum_type is not None:
        return f"type.googleapis.com/{field.enum_type.full_name}"
    if field.cpp_type in _INTEGERS:
        return _INTEGERS[field.cpp_type][0]
    names = {
        FieldDescriptor.CPPTYPE_BOOL: "TYPE_BOOL",
        FieldDescriptor.CPPTYPE_STRING: "TYPE_STRING",
    }
    return names.get(field.cpp_type, "TYPE_DOUBLE")
