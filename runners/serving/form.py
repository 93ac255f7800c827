"""A request's JSON → the model's inputs: one record, a list of records, or columns, checked against the signature.

A record is decoded straight into a struct made for the signature, so that every check runs in C.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt

from runners.packaging.signature import Input, Signature
from runners.serving.refusals import Refused
from runners.serving.wholes import decoded
from runners.serving.wording import refused

Feeds = dict[str, npt.NDArray[Any]]
Row = Any  # an instance of the struct that `Form` makes

NULL_INTEGER = -(2**63)  # as runners.features.encoding has it
NULLS: dict[str, Any] = {"empty": "", "lowest": NULL_INTEGER}  # what stands for a null where it is not NaN
ELEMENTS: dict[str, Any] = {
    "DOUBLE": np.float64, "FLOAT": np.float32, "FLOAT16": np.float16, "INT64": np.int64, "INT32": np.int32,
    "BOOL": np.bool_, "STRING": np.object_,
}  # fmt: skip
LARGEST = {"FLOAT": float(np.finfo(np.float32).max), "FLOAT16": float(np.finfo(np.float16).max)}
INTEGERS = {"INT64": 2**63 - 1, "INT32": 2**31 - 1}
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Form:
    """What a model takes, as JSON. Structs hold doubles first, then integers, then the rest, so that each group
    becomes an array in one step."""

    def __init__(self, signature: Signature) -> None:
        scalar = [given for given in signature.inputs if _is_scalar(given)]
        self._doubles = [given for given in scalar if given.onnx == "DOUBLE"]
        self._integers = [given for given in scalar if given.onnx == "INT64"]
        grouped = [*self._doubles, *self._integers]
        self._rest = [given for given in signature.inputs if given not in grouped]
        self.inputs = [*grouped, *self._rest]
        names = {f"c{place}": given.name for place, given in enumerate(self.inputs)}
        types = [_json_type(given) for given in self.inputs]
        self._record = msgspec.json.Decoder(_struct("Record", types, names))
        self._records = msgspec.json.Decoder(list[_struct("Record", types, names)])  # type: ignore[misc]
        self._columns = msgspec.json.Decoder(_struct("Columns", [_list_of(kind) for kind in types], names))
        self.needs_arrays = any(not _is_scalar(given) for given in self.inputs)
        self._places = {given.name: place for place, given in enumerate(self.inputs)}

    def record(self, body: bytes) -> Row | None:
        """The one record of a body; None where it holds several. Raises Refused."""
        if body.lstrip()[:1] != b"{":
            return None
        try:
            return decoded(self._record, body)
        except msgspec.ValidationError as err:
            if self._holds_columns(body):
                return None
            raise refused(err, list(self._places)) from None
        except UNREADABLE as err:
            raise malformed(err) from None

    def several(self, body: bytes, most: int) -> tuple[Feeds, int]:
        """The inputs of a list of records, or of columns, and how many rows they are. Raises Refused."""
        try:
            if body.lstrip()[:1] == b"[":
                records = decoded(self._records, body)
                _check_count(len(records), most)
                return self.feeds(records), len(records)
            columns = msgspec.structs.astuple(decoded(self._columns, body))
        except msgspec.ValidationError as err:
            raise refused(err, list(self._places)) from None
        except UNREADABLE as err:
            raise malformed(err) from None
        n = len(columns[0])
        _check_count(n, most)
        for given, values in zip(self.inputs, columns, strict=True):
            if len(values) != n:
                raise Refused(422, f"{len(values)} values, and {self.inputs[0].name} has {n}", given.name)
        return {given.name: _array(given, values) for given, values in zip(self.inputs, columns, strict=True)}, n

    def feeds(self, rows: Sequence[Row]) -> Feeds:
        """Arrays of decoded records, rows first. Raises Refused for a tensor of another shape."""
        tuples = [msgspec.structs.astuple(row) for row in rows]
        feeds: Feeds = {}
        doubles, n = len(self._doubles), len(rows)
        if doubles:
            block = np.array([row[:doubles] for row in tuples], dtype=np.float64).T.copy()  # a None becomes NaN
            for given, values in zip(self._doubles, block, strict=True):
                feeds[given.name] = values.reshape(n, *([1] * (len(given.shape) - 1)))
        for place, given in enumerate([*self._integers, *self._rest], start=doubles):
            feeds[given.name] = _array(given, [row[place] for row in tuples])
        return feeds

    def plain(self, row: Row) -> dict[str, Any]:
        """A decoded record as JSON has it."""
        return dict(zip((given.name for given in self.inputs), msgspec.structs.astuple(row), strict=True))

    def _holds_columns(self, body: bytes) -> bool:
        """Whether an object that is no record is meant as columns: one of its columns holds a list where a record
        would not."""
        try:
            found = msgspec.json.decode(body)
        except UNREADABLE:
            return False
        for name, value in found.items():
            place = self._places.get(name)
            if place is None or not isinstance(value, list):
                continue
            given, depth = self.inputs[place], 0
            while isinstance(value, list) and value:
                value, depth = value[0], depth + 1
            if _is_scalar(given) or depth >= len(given.shape):
                return True
        return False


def records(feeds: Feeds, inputs: Sequence[Input]) -> list[dict[str, Any]]:
    """Arrays as the records that would give them: NaN, "" of a missing text and the lowest integer become null."""
    columns = []
    for given in inputs:
        values = feeds[given.name]
        flat = values.reshape(len(values), -1)[:, 0].tolist() if _is_scalar(given) else values.tolist()
        if given.null == "nan" and _is_scalar(given):
            flat = [None if value != value else value for value in flat]
        elif given.null == "lowest":
            flat = [None if value == NULL_INTEGER else value for value in flat]
        columns.append(flat)
    names = [given.name for given in inputs]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _is_scalar(given: Input) -> bool:
    return all(size in (1, None) or isinstance(size, str) for size in given.shape[1:]) and len(given.shape) <= 2


def _struct(name: str, types: list[Any], names: dict[str, str]) -> Any:
    fields = list(zip(names, types, strict=True))
    return msgspec.defstruct(name, fields, rename=names, forbid_unknown_fields=True, gc=False)


def _list_of(kind: Any) -> Any:
    return list[kind]


def _json_type(given: Input) -> Any:
    """The type of one value of an input: bounds keep what no tensor can hold from coming as far as one."""
    if given.onnx == "STRING":
        kind: Any = str
    elif given.onnx in INTEGERS:
        most = INTEGERS[given.onnx]
        kind = Annotated[int, msgspec.Meta(ge=-most, le=most)]
        kind = bool | kind if given.type == "boolean" else kind
    elif given.onnx == "BOOL":
        kind = bool
    else:
        largest = LARGEST.get(given.onnx, float(np.finfo(np.float64).max))
        kind = Annotated[float, msgspec.Meta(ge=-largest, le=largest)]
        kind = bool | kind if given.type == "boolean" else kind
    if not _is_scalar(given):
        for _ in given.shape[1:]:
            kind = _list_of(kind)
        return kind
    return kind if given.null == "refused" else kind | None


def _array(given: Input, values: Sequence[Any]) -> npt.NDArray[Any]:
    if given.null in NULLS:
        values = [NULLS[given.null] if value is None else value for value in values]
    try:
        found = np.array(values, dtype=ELEMENTS[given.onnx])
    except ValueError:
        raise Refused(422, "its lists are not all of one length", given.name) from None
    if _is_scalar(given):
        return found.reshape(len(values), 1) if len(given.shape) == 2 else found
    check_shape(given, found.shape)
    return found


def check_shape(given: Input, shape: Sequence[int]) -> None:
    """Raises Refused where a tensor does not fit its input; the first size is the rows'."""
    fits = len(shape) == len(given.shape) and all(
        size == wanted or not isinstance(wanted, int) for size, wanted in zip(shape[1:], given.shape[1:], strict=True)
    )
    if not fits:
        told = ", ".join(str(size) if size is not None else "any" for size in given.shape)
        raise Refused(422, f"shape {list(shape)}, expected [{told}]", given.name)


def _check_count(n: int, most: int) -> None:
    if n == 0:
        raise Refused(422, "no rows")
    if n > most:
        raise Refused(413, f"{n:,} rows, at most {most:,} in one request")


def malformed(err: Exception) -> Refused:
    """What is no JSON at all."""
    why = "nested too deep" if isinstance(err, RecursionError) else str(err).removeprefix("JSON is malformed: ")
    return Refused(400, f"not JSON: {why}")
