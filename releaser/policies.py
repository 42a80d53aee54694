"""Policies of the register: the newest one of a product says whose signatures count.

A policy is judged here exactly as a site judges it: signed by the targets keys of the newest root, following the one
before. The root comes from the channel, into which its ceremony puts it.
"""

from dataclasses import replace

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from patchline.patches import documents
from patchline.patches.envelopes import Envelope
from patchline.patches.errors import NotFoundError, RefusedError, TrustError
from patchline.patches.limits import LIMITS
from patchline.patches.policy import Policy
from patchline.patches.root import Root
from patchline.patches.trust import Trust, check_policy, trust_document
from patchline.releaser.persons import require_role
from patchline.releaser.published import read_roots
from patchline.releaser.register import Change, Register
from patchline.releaser.stores import Store
from patchline.releaser.tables.catalogue import Product
from patchline.releaser.tables.hotfixes import PolicyVersion
from patchline.releaser.tables.people import Role


def newest_root(register: Register) -> Root:
    """Return the newest root of the channel.

    Raises:
        NotFoundError: there is none yet.
        TrustError: it does not count.
    """
    roots = read_roots(Store.at(register.channel), kit=False)
    if not roots:
        raise NotFoundError("channel-root", "the channel has no root yet, so nobody's signature can be judged")
    return roots[-1]


def newest_policy(session: Session, product: str) -> PolicyVersion | None:
    """Return the newest policy of a product, None before there is one."""
    query = select(PolicyVersion).where(PolicyVersion.product == product).order_by(PolicyVersion.number.desc())
    return session.scalar(query.limit(1))


def newest_policies(session: Session) -> dict[str, Policy]:
    """Return the newest policy of each product that has one; they were judged when they were taken in."""
    newest = select(PolicyVersion.product, func.max(PolicyVersion.number)).group_by(PolicyVersion.product)
    query = select(PolicyVersion).where(tuple_(PolicyVersion.product, PolicyVersion.number).in_(newest))
    found = session.scalars(query.order_by(PolicyVersion.product))
    return {row.product: Policy.parse(_envelope(row.envelope).payload) for row in found}


def vendor_trust(session: Session, product: str, root: Root) -> Trust:
    """Return what a site that knows the newest root and policy would believe.

    Raises:
        NotFoundError: the product has no policy yet.
        TrustError: root or policy do not count.
    """
    newest = newest_policy(session, product)
    if newest is None:
        raise NotFoundError("policy", f"the register has no policy of {product}")
    return Trust.parse(trust_document(product=product, root=root, policy=_envelope(newest.envelope)))


def for_customer(trust: Trust, customer: str | None) -> Trust:
    """Return what a site of this customer would believe; None for one that belongs to no named customer."""
    return replace(trust, customer=customer)


def take(change: Change, product: str, data: bytes, root: Root) -> Policy:
    """Take a signed policy into the register; the one that is there already is no matter.

    Args:
        change: under way.
        product: whose policy it must be.
        data: the file as it was signed.
        root: the channel's newest.

    Raises:
        RefusedError: it is older than the newest, or who acts does not manage releases.
        TrustError: too few offline keys signed it, it is for another product, or does not follow the newest.
        NotFoundError: there is no such product.
    """
    require_role(change.session, change.by, Role.RELEASE_MANAGER)
    if change.session.get(Product, product, with_for_update=True) is None:
        raise NotFoundError("product", f"the register knows no product {product!r}")
    envelope = _envelope(data)
    policy = check_policy(envelope, root)
    if policy.product != product:
        raise TrustError("policy-product", f"the policy is for product {policy.product!r}, not {product!r}")
    newest = newest_policy(change.session, product)
    if newest is not None:
        if policy.version < newest.number:
            raise RefusedError("policy-older", f"policy {policy.version} is older than policy {newest.number}")
        vendor_trust(change.session, product, root).advanced(documents.encode(envelope.as_document()))
        if policy.version == newest.number:
            return policy
    change.session.add(
        PolicyVersion(
            product=product,
            number=policy.version,
            digest=policy.digest,
            envelope=documents.encode(envelope.as_document()),
            taken=change.now,
        )
    )
    change.record("policy.take", product, {"version": policy.version, "policy": policy.digest})
    change.session.flush()
    return policy


def _envelope(data: bytes) -> Envelope:
    return Envelope.from_document(documents.decode(data, what="policy", limit=LIMITS.trust_file), "policy")
