from datetime import timedelta

import pytest

from patchline.patches import channel
from patchline.patches.channel import HotfixName
from patchline.patches.errors import ChannelError
from tests.vendor import NOW


def test_name_of_a_published_revision_says_which_it_is():
    name = HotfixName("idm-2.x", "HF-2026-0012", 3)
    assert name.target == "hotfixes/idm-2.x/HF-2026-0012/r3.zip" and HotfixName.read(name.target) == name
    assert channel.target_file(name.target, "0" * 64) == f"targets/hotfixes/idm-2.x/HF-2026-0012/{'0' * 64}.r3.zip"


@pytest.mark.parametrize(
    "target",
    [
        "hotfixes/idm/HF-2026-0012/r0.zip",
        "hotfixes/idm/HF-2026-0012/r01.zip",
        "hotfixes/idm/HF-2026-0012/r1.zip\n",
        "hotfixes/idm/HF-2026-0012/r1.tar",
        "hotfixes/idm/hf-1/r1.zip",
        "hotfixes/../HF-2026-0012/r1.zip",
        "hotfixes/idm/HF-2026-0012",
        "hotfixes/idm/x/HF-2026-0012/r1.zip",
        "status/idm/HF-2026-0012/r1.zip",
        "",
    ],
)
def test_other_names_are_no_published_revision(target):
    with pytest.raises(ChannelError) as refused:
        HotfixName.read(target)
    assert refused.value.code == "channel.target-name"


@pytest.mark.parametrize(
    "target", ["../x", "a/../b", "/a", "a", "a/", "a//b", "a/%2e%2e%2fb", "a/b\\c", ".a/b", "a/b\n"]
)
def test_target_name_is_a_plain_path(target):
    with pytest.raises(ChannelError):
        channel.check_target_name(target)


def test_every_name_that_is_published_is_plain():
    names = [channel.policy_target("a.b-c"), channel.recalls_target("x"), channel.CHECKPOINT]
    for name in [*names, *(channel.CLIENT + ending for ending in channel.CLIENT_ENDINGS)]:
        channel.check_target_name(name)


@pytest.mark.parametrize("kit", [False, True])
@pytest.mark.parametrize("role", channel.LIVES)
def test_metadata_signed_for_longer_than_its_life_is_refused(role, kit):
    life = channel.life(role, kit=kit)
    channel.check_life(role, NOW + life + channel.CLOCKS, NOW, kit=kit)
    with pytest.raises(ChannelError) as refused:
        channel.check_life(role, NOW + life + channel.CLOCKS + timedelta(seconds=1), NOW, kit=kit)
    assert refused.value.code == "channel.life"


def test_what_travels_in_a_kit_outlives_it_when_it_is_renewed_in_time():
    for role in (channel.HOTFIXES, channel.STATUS):
        assert channel.LIVES[role] / 2 > channel.KIT_LIFE
