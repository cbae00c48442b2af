"""Launch templates: tokens, merged versions, filters and AWS's codes for what does not exist."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runnerkit.sandbox.ec2.clock import moment
from runnerkit.sandbox.ec2.errors import AwsError, missing
from runnerkit.sandbox.ec2.filters import matching, page
from runnerkit.sandbox.ec2.launching import check_user_data
from runnerkit.sandbox.ec2.tags import tags_by_kind

if TYPE_CHECKING:
    from runnerkit.sandbox.ec2.backend import Region
    from runnerkit.sandbox.ec2.core import Core
    from runnerkit.sandbox.ec2.model import Ask, Params, Raw, Template

DEFAULT_PAGE = 200


def find(region: Region, wanted: Params, fallback: str = "$Default") -> Template:
    """The template version that a LaunchTemplateSpecification means.

    Raises:
        AwsError: There is no such template or version.
    """
    raw = _raw(region, wanted)
    version = str(wanted.get("Version") or fallback)
    template = region.template_version(raw, version)
    if template is None:
        raise AwsError(
            "InvalidLaunchTemplateId.VersionNotFound", f"Could not find launch template version {version} of {raw.id}"
        )
    return template


def _raw(region: Region, wanted: Params) -> Raw:
    template_id, name = wanted.get("LaunchTemplateId"), wanted.get("LaunchTemplateName")
    if not template_id and not name:
        raise missing("LaunchTemplateId or LaunchTemplateName")
    raw = region.template(template_id, name)
    if raw is None and template_id:
        raise AwsError(
            "InvalidLaunchTemplateId.NotFound",
            f"The specified launch template, with template ID {template_id}, does not exist.",
        )
    if raw is None:
        raise AwsError(
            "InvalidLaunchTemplateName.NotFoundException",
            f"The specified launch template, with template name {name}, does not exist.",
        )
    return raw


def create_template(core: Core, ask: Ask) -> Params:
    """CreateLaunchTemplate."""
    return core.tokens.once(ask, lambda: _create(core, ask))


def _create(core: Core, ask: Ask) -> Params:
    name, data = ask.params.get("LaunchTemplateName"), _checked(ask.params.get("LaunchTemplateData"))
    if not name:
        raise missing("LaunchTemplateName")
    tags = tags_by_kind(ask.params.get("TagSpecifications", []))
    region = core.region(ask.region)
    core.dry_run(ask)
    described = ask.params.get("VersionDescription")
    raw = region.ec2.create_launch_template(name, described, {**data, "UserData": None}, tags)
    region.replace_template_data(raw, 1, data)
    return {"LaunchTemplate": _view(core, region, raw)}


def _checked(data: Params | None) -> Params:
    if not data:
        raise missing("LaunchTemplateData")
    check_user_data(data.get("UserData"))
    tags_by_kind(data.get("TagSpecifications", []))
    return data


def create_version(core: Core, ask: Ask) -> Params:
    """CreateLaunchTemplateVersion; a source version lends everything that the new data does not say."""
    return core.tokens.once(ask, lambda: _create_version(core, ask))


def _create_version(core: Core, ask: Ask) -> Params:
    region, data = core.region(ask.region), _checked(ask.params.get("LaunchTemplateData"))
    raw = _raw(region, ask.params)
    source = ask.params.get("SourceVersion")
    if source:
        data = {**find(region, {**ask.params, "Version": source}).data, **data}
    core.dry_run(ask)
    raw.create_version({}, ask.params.get("VersionDescription"))
    number = len(raw.versions)
    region.replace_template_data(raw, number, data)
    return {
        "LaunchTemplateVersion": {
            "LaunchTemplateId": raw.id,
            "LaunchTemplateName": raw.name,
            "VersionNumber": number,
            "VersionDescription": ask.params.get("VersionDescription"),
            "CreateTime": moment(core.clock.now()),
            "CreatedBy": f"arn:aws:iam::{core.account}:root",
            "DefaultVersion": number == raw.default_version_number,
            "LaunchTemplateData": data,
        }
    }


def describe_templates(core: Core, ask: Ask) -> Params:
    """DescribeLaunchTemplates by id, name, tag and name filter, in pages."""
    region = core.region(ask.region)
    ids, names = ask.params.get("LaunchTemplateIds", []), ask.params.get("LaunchTemplateNames", [])
    asked = [{"LaunchTemplateId": i} for i in ids] + [{"LaunchTemplateName": n} for n in names]
    raws = [_raw(region, one) for one in asked] if asked else list(region.ec2.launch_templates.values())
    views = matching([_view(core, region, raw) for raw in raws], ask.params, _fields)
    found, token = page(views, ask.params, DEFAULT_PAGE)
    return {"LaunchTemplates": found, "NextToken": token}


def _fields(view: Params) -> dict[str, Any]:
    return {"launch-template-name": view["LaunchTemplateName"], "create-time": view["CreateTime"].isoformat()}


def delete_template(core: Core, ask: Ask) -> Params:
    """DeleteLaunchTemplate."""
    region = core.region(ask.region)
    raw = _raw(region, ask.params)
    core.dry_run(ask)
    view = _view(core, region, raw)
    region.ec2.delete_launch_template(None, raw.id)
    return {"LaunchTemplate": view}


def _view(core: Core, region: Region, raw: Raw) -> Params:
    return {
        "LaunchTemplateId": raw.id,
        "LaunchTemplateName": raw.name,
        "CreateTime": raw.create_time.replace(tzinfo=moment(0).tzinfo),
        "CreatedBy": f"arn:aws:iam::{core.account}:root",
        "DefaultVersionNumber": raw.default_version_number,
        "LatestVersionNumber": raw.latest_version_number,
        "Tags": [{"Key": key, "Value": value} for key, value in region.tags(raw.id).items()],
    }
