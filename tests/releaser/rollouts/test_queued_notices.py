"""Messages that are left to a worker: as they were shown, and none twice."""

import pytest

from patchline.patches.errors import PatchlineError
from patchline.releaser.rollouts import notices
from patchline.releaser.work import asking
from patchline.releaser.work.carrying import carry_out
from patchline.releaser.work.jobs import JOBS, Asked, Workshop
from patchline.releaser.work.wishes import open_wishes
from tests.mailing import Postbox, serving
from tests.programs import run
from tests.releaser.rollouts.test_notices import BEA, CAL, EVE, found, outcomes, recalled, with_server
from tests.rings import HOTFIX

__all__ = ["recalled"]


def test_messages_left_to_a_worker_go_out_as_shown_and_none_twice(recalled, monkeypatch):
    chosen = notices.to_tell(found(recalled), again=False)
    with recalled.register.change("rita", recalled.now) as change:
        wish = asking.notification(change, chosen)
    with serving(Postbox()) as gone:
        pass
    with pytest.raises(PatchlineError) as error:
        carry_out(Workshop(with_server(recalled, gone), bytes), wish, lambda: recalled.now)
    with recalled.register.read() as session:
        assert error.value.code == "state.mail-server" and open_wishes(session) == [(wish, "notify")]
    with serving(Postbox()) as box:
        workshop = Workshop(with_server(recalled, box), bytes)
        end = carry_out(workshop, wish, lambda: recalled.now)
        assert (end.outcome, end.told) == ("done", "3 messages of 3 sent")
        # As if it had been killed before it wrote that down.
        messages = [{"draft": vars(one.draft) | {"sites": list(one.draft.sites)}, "attempt": 0} for one in chosen]
        asked = Asked({"messages": messages}, "rita", recalled.now)
        assert JOBS["notify"](workshop, asked, recalled.now) == "0 messages of 3 sent"
    assert sorted(box.recipients) == sorted([EVE, BEA, CAL])
    assert outcomes(recalled) == {EVE: "sent", BEA: "sent", CAL: "sent"}
    line = ("patchline", "notify", HOTFIX, "--queue", "--yes", "--home", recalled.register.home, "--as", "rita")
    run(*line, expect=2)
