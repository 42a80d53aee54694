import signal
import threading

import pytest

from patchline.patches.stopping import Stopped, finishing, stoppable


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_each_signal_stops_with_its_exit_code(number, exit_code):
    with pytest.raises(Stopped) as caught, stoppable():
        signal.raise_signal(number)
    assert caught.value.exit_code == exit_code


def test_signal_waits_until_the_work_is_finished():
    done = []
    with pytest.raises(Stopped) as caught, stoppable():
        with finishing():
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)
            done.append("work")
        done.append("not reached")
    assert done == ["work"]
    assert caught.value.signal == signal.SIGTERM


def test_error_of_the_work_wins_over_the_signal():
    with pytest.raises(ZeroDivisionError), stoppable(), finishing():
        signal.raise_signal(signal.SIGTERM)
        raise ZeroDivisionError


def test_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stoppable(), finishing():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_other_threads_leave_the_handlers_alone():
    outcome = []

    def work():
        with stoppable(), finishing():
            outcome.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert outcome == [signal.SIG_DFL]
