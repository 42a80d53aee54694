import threading

import pytest
from argon2 import PasswordHasher, extract_parameters

from patchline.patches.errors import LockedError, PasswordError
from patchline.releaser.access import passwords

GOOD = "copper lantern over seven hills"


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short words", "password.short"),
        ("x" * 257, "password.long"),
        ("aaaaaaaaaaaaaaaa", "password.guessable"),
        ("abababababababab", "password.guessable"),
        ("123456789012", "password.guessable"),
        ("abcdefghijklmn", "password.guessable"),
        ("zyxwvutsrqponm", "password.guessable"),
        ("Password12345!", "password.guessable"),
        ("P4ssw0rd!P4ssw0rd!", "password.guessable"),
        ("Welcome-2026-Admin", "password.guessable"),
        ("ada.lovelace.2026", "password.guessable"),
        ("LovelaceLovelace1", "password.guessable"),
        ("lovelace-ada-admin-99", "password.guessable"),
    ],
)
def test_passwords_that_others_guess_first_are_not_taken(password, code):
    with pytest.raises(PasswordError) as refused:
        passwords.check_new(password, ["ada", "Ada Lovelace"])
    assert refused.value.code == code


@pytest.mark.parametrize(
    "password",
    [GOOD, "qX7!mB2#vK9$", "ежик в тумане сидит", "ada likes copper lanterns", "日本語のとても長い合言葉です"],
)
def test_what_a_password_is_made_of_is_the_persons_affair(password):
    passwords.check_new(password, ["ada", "Ada Lovelace"])


def test_a_password_agrees_with_what_is_kept_of_it_however_its_letters_are_composed():
    kept = passwords.compute("dünne Äste im November")
    assert passwords.agrees(kept, "du\u0308nne A\u0308ste im November")
    assert not passwords.agrees(kept, "dunne Aste im November")
    assert "dünne" not in kept and kept != passwords.compute("dünne Äste im November")


def test_nobodys_password_costs_what_everybodys_does_and_lets_nobody_in():
    ours = extract_parameters(passwords.compute(GOOD))
    assert extract_parameters(passwords.NOBODYS) == ours
    assert ours.memory_cost == 32_768 and ours.time_cost == 3
    assert not passwords.agrees(None, GOOD)
    assert not passwords.agrees("no hash", GOOD)


def test_a_hash_that_somebody_made_costly_is_not_computed():
    costly = PasswordHasher(time_cost=1, memory_cost=16, parallelism=2).hash(GOOD)
    assert not passwords.agrees(costly, GOOD)
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(GOOD)
    assert passwords.agrees(cheap, GOOD) and passwords.is_outdated(cheap)
    assert not passwords.is_outdated(passwords.compute(GOOD))


def test_only_a_few_are_computed_at_once(monkeypatch):
    monkeypatch.setattr(passwords, "_PATIENCE_S", 0.01)
    held = threading.BoundedSemaphore(1)
    monkeypatch.setattr(passwords, "_computing", held)
    with held, pytest.raises(LockedError, match="too many people"):
        passwords.agrees(None, GOOD)
    assert not passwords.agrees(None, GOOD)
