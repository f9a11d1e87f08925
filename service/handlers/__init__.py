"""The work: one file per job kind, found by itself.

A kind is a module here, named as the kind, with a `Payload` model and `async def run(payload, context)`. To add a kind,
add a file. Modules whose name starts with `_` are no kinds: they serve them.
"""

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from service.domain.job import NonRetryable
from service.domain.ports import Context, Kind


def discover(package: ModuleType | None = None) -> dict[str, Kind]:
    """The kinds of `package` (default: this one) by name, in alphabetical order.

    Raises `TypeError`, with the file's name, for a module that is no kind.
    """
    package = package or sys.modules[__name__]
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    return {
        name: _kind(name, importlib.import_module(f"{package.__name__}.{name}"))
        for name in names
        if not name.startswith("_")
    }


def _kind(name: str, module: ModuleType) -> Kind:
    from pydantic import BaseModel, ValidationError  # here: the pool's children import this package and need none of it

    payload, run = getattr(module, "Payload", None), getattr(module, "run", None)
    if not (isinstance(payload, type) and issubclass(payload, BaseModel)):
        raise TypeError(f"{module.__file__}: a job kind needs `class Payload(pydantic.BaseModel)`")
    if not inspect.iscoroutinefunction(run):
        raise TypeError(f"{module.__file__}: a job kind needs `async def run(payload, context)`")

    async def handler(stored: Mapping[str, Any], context: Context) -> Any:
        try:
            valid = payload.model_validate(stored)
        except ValidationError as error:  # accepted once; a later release no longer understands it, nor will on a retry
            raise NonRetryable(f"{name}: the stored payload is no longer valid: {_reasons(error)}") from None
        return await run(valid, context)

    def _reasons(error: ValidationError) -> str:
        details = error.errors(include_input=False, include_url=False, include_context=False)
        return "; ".join(f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in details)

    return Kind(name=name, payload=payload, handler=handler)
