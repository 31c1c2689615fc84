"""Recorders of evidence: names, kinds, and who hears of what."""

import threading

import pytest

from bn_theory.errors import InvalidInputError, UnknownNameError
from bn_theory.testing import ClaimFailedError, assert_bound
from bn_theory.theorems.evidence import identity
from bn_theory.theorems.recording import Recorder, record, recording

PIECE = identity("a", 0.0, 1.0)


def test_what_is_kept():
    recorder = Recorder("li2020.toy")
    assert recorder.add(PIECE) is PIECE
    recorder.add(PIECE, statement="li2020.texp")
    recorder.add(PIECE)
    recorder.add_verified(PIECE, "arora2019.descent")
    assert [p.evidence.name for p in recorder.pieces] == ["a", "a (2)", "a (3)", "a"]
    assert [p.statement for p in recorder.pieces] == ["li2020.toy", "li2020.texp", "li2020.toy", "arora2019.descent"]
    assert [p.verified for p in recorder.pieces] == [False, False, False, True]
    assert recorder.evidence[0] == PIECE
    assert Recorder().add(PIECE) is PIECE


def test_what_is_refused():
    recorder = Recorder()
    with pytest.raises(InvalidInputError, match="not True"):
        recorder.add(True)
    with pytest.raises(UnknownNameError, match=r"did you mean li2020\.toy"):
        recorder.add(PIECE, statement="li2020.tox")
    assert recorder.pieces == ()


def test_assertions_are_heard_by_the_nearest_recorder_also_when_they_fail():
    outer, inner = Recorder(), Recorder()
    with recording(outer):
        with recording(inner), pytest.raises(ClaimFailedError) as caught:
            assert_bound(2.0, 1.0)
        found = assert_bound(1.0, 2.0)
    assert inner.evidence == (caught.value.evidence,) and outer.evidence == (found,)
    with recording(outer), pytest.raises(ZeroDivisionError):
        raise ZeroDivisionError
    with recording(inner):
        assert_bound(1.0, 2.0)
    assert len(outer.evidence) == 1 and len(inner.evidence) == 2


def test_without_a_recorder_and_in_a_thread_nothing_happens():
    recorder = Recorder()
    with recording(recorder):
        thread = threading.Thread(target=record, args=(PIECE,))
        thread.start()
        thread.join()
    assert recorder.evidence == ()
    with recording(None):
        record(PIECE)
