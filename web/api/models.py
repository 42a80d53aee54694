"""Models of what the API takes, made of the parameters of commands; and of how it refuses."""

import base64
import binascii
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import click
from pydantic import Base64Encoder, BaseModel, ConfigDict, EncodedBytes, Field, create_model
from pydantic_core import PydanticCustomError

from patchline.releaser.remote.shapes import Member

_TEXT = Field(max_length=20_000, pattern=r"^[^\u0000]*$")
_NAME = Field(min_length=1, max_length=400, pattern=r"^[^\u0000/]+$")
_MOST = 500


class _Base64(Base64Encoder):
    """Base64 that is read as strictly as it is written."""

    @classmethod
    def decode(cls, data: bytes) -> bytes:
        """Return the bytes.

        Raises:
            PydanticCustomError: it is no base64.
        """
        try:
            return base64.b64decode(data, validate=True)
        except binascii.Error:
            raise PydanticCustomError("base64", "This is no base64") from None


Bytes = Annotated[bytes, EncodedBytes(encoder=_Base64), Field(strict=False)]
Ending = Annotated[str, Field(pattern=r"^(\.[a-z0-9]{1,12}){1,2}$")]


class Upload(BaseModel):
    """A file that is sent."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(min_length=1, max_length=255, pattern=r"^[^\u0000]+$", description="What it is called.")
    content: Bytes = Field(description="Its bytes, in base64.")
    beside: dict[Ending, Bytes] = Field(
        default_factory=dict,
        max_length=4,
        description="Files beside it, by what their names have after its own, such as `.sig`.",
    )


class Problem(BaseModel):
    """A refusal, as RFC 9457 has it, with what to do next."""

    type: str = Field(description="`urn:patchline:error:` and the code.")
    title: str
    status: int
    detail: str = Field(description="What is wrong, naming the object.")
    code: str = Field(description="Stable; docs/errors.md lists all of them.")
    hint: str = Field(description="What to do next.")
    exit_code: int | None = Field(None, description="With which the command would have ended.")
    number: str | None = Field(None, description="By which the server's log tells a fault of its own.")
    problems: list[str] = Field(
        default_factory=list, description="Everything that is wrong, where it is several things."
    )


def model(name: str, members: Iterable[Member], *, lenient: bool) -> type[BaseModel] | None:
    """Return the model of some parameters; None where there are none.

    Args:
        name: of the model.
        members: its fields.
        lenient: they come as text in an address, and not as JSON.
    """
    fields: dict[str, Any] = {member.name: _field(member) for member in members}
    if not fields:
        return None
    # A browser's form is no JSON: whoever sends JSON says of what kind its values are.
    settings = ConfigDict(extra="forbid", strict=not lenient)
    return create_model(name, __config__=settings, **fields)


def _field(member: Member) -> tuple[Any, Any]:
    kind = _kind(member)
    explained = member.explained
    if member.many:
        bound = Field(min_length=1 if member.parameter.required else 0, max_length=_MOST)
        kind = Annotated[list[kind], bound]  # type: ignore[valid-type]  # made at run time
    if member.parameter.required:
        return kind, Field(description=explained)
    return kind | None, Field(None, description=explained)


def _kind(member: Member) -> Any:
    parameter = member.parameter
    if member.upload:
        return Upload
    if member.is_flag:
        return bool
    if isinstance(parameter.type, click.Choice):
        return Literal[tuple(str(one) for one in parameter.type.choices)]
    if isinstance(parameter.type, click.IntRange):
        return Annotated[int, Field(ge=parameter.type.min, le=parameter.type.max)]
    if isinstance(parameter.type, type(click.INT)):
        return Annotated[int, Field(ge=0, le=2**31 - 1)]
    return Annotated[str, _NAME if member.in_address else _TEXT]
