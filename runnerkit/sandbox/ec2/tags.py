"""Tags in requests: by resource type, within EC2's limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runnerkit.sandbox.ec2.errors import AwsError

if TYPE_CHECKING:
    from runnerkit.sandbox.ec2.model import Params, Tags

TAG_KEY_LIMIT, TAG_VALUE_LIMIT, TAGS_LIMIT = 128, 256, 50


def tags_by_kind(specifications: list[Params]) -> dict[str, Tags]:
    """Tags by resource type.

    Raises:
        AwsError: A tag that AWS does not accept.
    """
    found: dict[str, Tags] = {}
    for specification in specifications:
        tags = {str(t.get("Key", "")): str(t.get("Value", "")) for t in specification.get("Tags", [])}
        for key, value in tags.items():
            check_tag(key, value)
        found.setdefault(str(specification.get("ResourceType", "")), {}).update(tags)
    if any(len(tags) > TAGS_LIMIT for tags in found.values()):
        raise AwsError("TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")
    return found


def check_tag(key: str, value: str) -> None:
    """Refuse a tag that EC2 would refuse.

    Raises:
        AwsError: The key is reserved, or key or value are too long.
    """
    if key.lower().startswith("aws:"):
        raise AwsError("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use")
    if not 0 < len(key) <= TAG_KEY_LIMIT:
        raise AwsError("InvalidParameterValue", f"Tag key exceeds the maximum length of {TAG_KEY_LIMIT} characters")
    if len(value) > TAG_VALUE_LIMIT:
        raise AwsError("InvalidParameterValue", f"Tag value exceeds the maximum length of {TAG_VALUE_LIMIT} characters")
