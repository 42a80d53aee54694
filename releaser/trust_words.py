"""Roots, targets, policies and trust files in words: what they say, and what changes from one to the next."""

from collections.abc import Iterable, Mapping

from patchline.patches import identifiers
from patchline.patches.delegations import Delegations
from patchline.patches.keys import PublicKey
from patchline.patches.policy import Policy, PolicyKey
from patchline.patches.root import Root
from patchline.patches.rules import EmergencyRule, Rule
from patchline.patches.statements import time_text
from patchline.patches.trust import Trust
from patchline.patches.tuf_roles import Role
from patchline.patches.wording import counted


def root_words(root: Root) -> list[str]:
    """Return what a root says, a line each."""
    lines = [f"root {root.version}{' of the kits' if root.kit else ''}, expires {time_text(root.expires)}"]
    lines += _role_words(root.roles)
    signed, needed = len(root.signers(root)), root.roles["root"].threshold
    lines.append(f"  signed by {signed} of {needed} needed root keys")
    return lines


def targets_words(targets: Delegations) -> list[str]:
    """Return what top-level targets say, a line each."""
    lines = [f"targets {targets.version}, expires {time_text(targets.expires)}", *_role_words(targets.roles)]
    signatures = counted(len(targets.document["signatures"]), "signature")
    return [*lines, f"  {signatures}, not checked here: that takes the root"]


def _role_words(roles: Mapping[str, Role]) -> list[str]:
    lines = []
    for name, role in roles.items():
        if not role.keys:
            lines.append(f"  {name}: no keys until there is a channel")
            continue
        lines.append(f"  {name}: {role.threshold} of {len(role.keys)} keys")
        lines += [f"    {_key_words(key)}" for key in role.keys.values()]
    return lines


def policy_words(policy: Policy) -> list[str]:
    """Return what a policy says, a line each."""
    lines = [f"policy {policy.version} of product {policy.product}, {identifiers.fingerprint(policy.digest)}"]
    for key in sorted(policy.keys.values(), key=lambda one: (one.person, one.purpose, one.public.keyid)):
        lines.append(f"  {_policy_key_words(key)}, {status_words(key)}")
    lines += [f"  rule: {rule_words(rule)}" for rule in policy.rules]
    lines.append(f"  emergencies: {emergency_words(policy.emergency)}")
    lines.append(f"  steps as root: {'allowed' if policy.root_steps else 'not allowed'}")
    lines += [f"  recalled: manifest {digest}" for digest in sorted(policy.recalls)]
    lines.append(f"  a recall list may be {policy.recall_max_age_days} days old")
    return lines


def trust_words(trust: Trust) -> list[str]:
    """Return what a trust file says, a line each."""
    lines = [f"trust file of product {trust.product}, {trust.fingerprint}"]
    if trust.trial:
        lines.append("  made for trying out: all keys lie in one place")
    lines.append(f"  customer: {trust.customer or 'none; only releases for all count'}")
    lines.append(f"  channel: {trust.channel or 'none'}")
    lines += [f"  baseline {name}: files {digest}" for name, digest in sorted(trust.baselines.items())]
    return lines + root_words(trust.root) + policy_words(trust.policy)


def status_words(key: PolicyKey) -> str:
    """Return the state of a key."""
    if key.revoked:
        return "revoked"
    return "active" if key.retired is None else f"retired, still counting for {len(key.retired)} manifests"


def rule_words(rule: Rule) -> str:
    """Return what a rule demands, and of what."""
    persons = "person" if rule.threshold == 1 else "persons"
    demands = [f"{rule.threshold} {persons}", f"{rule.independent} not by browser"]
    demands.append("rebuilt by default" if rule.reproduced is None else f"{rule.reproduced} rebuilt")
    demands += [f"one as {role}" for role in sorted(rule.roles)]
    return f"{_match_words(rule)}: {', '.join(demands)}"


def emergency_words(rule: EmergencyRule | None) -> str:
    """Return what lets a release go out before the rules are met."""
    if rule is None:
        return "none"
    people = counted(rule.threshold, "person")
    return f"{people}, one as {rule.role}, to named customers, for at most {counted(rule.max_hours, 'hour')}"


def _match_words(rule: Rule) -> str:
    found = []
    if rule.severity is not None:
        found.append(f"severity {' or '.join(sorted(rule.severity))}")
    if rule.scope is not None:
        found.append("for all" if rule.scope == "all" else "for named customers")
    if rule.source is not None:
        found.append(f"from {rule.source}")
    if rule.root is not None:
        found.append("with steps as root" if rule.root else "without steps as root")
    if rule.irreversible is not None:
        found.append("with irreversible steps" if rule.irreversible else "without irreversible steps")
    return ", ".join(found) or "everything"


def _key_words(key: PublicKey) -> str:
    return f"{key.kind} {key.fingerprint}"


def _policy_key_words(key: PolicyKey) -> str:
    roles = f" as {', '.join(sorted(key.roles))}" if key.roles else ""
    return f"{key.person}: {key.purpose} key {_key_words(key.public)} ({key.custody}{roles})"


def root_changes(old: Root, new: Root) -> list[str]:
    """Return in words what a new root changes."""
    return _metadata_changes("root", old, new)


def targets_changes(old: Delegations, new: Delegations) -> list[str]:
    """Return in words what new top-level targets change."""
    return _metadata_changes("targets", old, new)


def _metadata_changes(what: str, old: Root | Delegations, new: Root | Delegations) -> list[str]:
    lines = _number_changes(what, old.version, new.version)
    if old.expires != new.expires:
        lines.append(f"expires {time_text(new.expires)} instead of {time_text(old.expires)}")
    for name, role in old.roles.items():
        after = new.roles[name]
        lines += [f"{name}: {text}" for text in _set_changes("key", _by_words(role.keys), _by_words(after.keys))]
        if role.threshold != after.threshold:
            lines.append(f"{name}: threshold {after.threshold} instead of {role.threshold}")
    return lines


def _by_words(keys: Mapping[str, PublicKey]) -> list[str]:
    return [_key_words(key) for key in keys.values()]


def policy_changes(old: Policy, new: Policy) -> list[str]:
    """Return in words what a new policy changes."""
    lines = _number_changes("policy", old.version, new.version)
    if old.product != new.product:
        lines.append(f"is for product {new.product} instead of {old.product}")
    if new.version == old.version + 1 and new.previous != old.digest:
        lines.append("does not follow this old policy but another one")
    lines += _key_changes(old, new)
    lines += _set_changes("rule:", map(rule_words, old.rules), map(rule_words, new.rules))
    if old.emergency != new.emergency:
        lines.append(f"emergencies: {emergency_words(new.emergency)} instead of {emergency_words(old.emergency)}")
    if old.root_steps != new.root_steps:
        lines.append(f"steps as root are {'now allowed' if new.root_steps else 'no longer allowed'}")
    lines += _set_changes("recall of manifest", old.recalls, new.recalls)
    if old.recall_max_age_days != new.recall_max_age_days:
        lines.append(f"a recall list may be {new.recall_max_age_days} days old instead of {old.recall_max_age_days}")
    return lines


def _key_changes(old: Policy, new: Policy) -> list[str]:
    lines = []
    for keyid in sorted(old.keys.keys() | new.keys.keys()):
        before, after = old.keys.get(keyid), new.keys.get(keyid)
        if before is None and after is not None:
            lines.append(f"new: {_policy_key_words(after)}, {status_words(after)}")
        elif before is not None and after is None:
            lines.append(f"gone: {_policy_key_words(before)}; its old signatures count for nothing any more")
        elif before is not None and after is not None and before != after:
            lines.append(f"changed: {_policy_key_words(after)}, {status_words(after)}")
            lines.append(f"  was: {_policy_key_words(before)}, {status_words(before)}")
    return lines


def trust_changes(old: Trust, new: Trust) -> list[str]:
    """Return in words what a new trust file changes."""
    lines = []
    for name, before, after in (
        ("product", old.product, new.product),
        ("customer", old.customer, new.customer),
        ("channel", old.channel, new.channel),
        ("trial", old.trial, new.trial),
    ):
        if before != after:
            lines.append(f"{name}: {after or 'none'} instead of {before or 'none'}")
    pairs = ([f"{name}: files {digest}" for name, digest in one.baselines.items()] for one in (old, new))
    lines += _set_changes("baseline", *pairs)
    return lines + root_changes(old.root, new.root) + policy_changes(old.policy, new.policy)


def _number_changes(what: str, old: int, new: int) -> list[str]:
    if old == new:
        return []
    return [f"{what} {new} instead of {old}" + ("" if new > old else ": OLDER; a site that knows the other refuses it")]


def _set_changes(what: str, old: Iterable[str], new: Iterable[str]) -> list[str]:
    before, after = set(old), set(new)
    return [f"new {what} {item}" for item in sorted(after - before)] + [
        f"gone {what} {item}" for item in sorted(before - after)
    ]
