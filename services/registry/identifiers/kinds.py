"""号码种类 the kinds of identifiers by which shops are compared and linked."""

from enum import IntEnum
from typing import Final


class Kind(IntEnum):
    """Kind of an identifier; the number is part of every keyed hash and never changes its meaning."""

    PHONE = 1
    QQ = 2
    WECHAT = 3
    ADDRESS = 4
    RETURN_ADDRESS = 5
    LICENCE = 6
    ICP = 7
    LEGAL_PERSON = 8
    PAYMENT = 9
    IMAGE = 10
    DOMAIN = 11
    POLICE_NO = 12


KIND_LABELS: Final[dict[Kind, tuple[str, str]]] = {
    Kind.PHONE: ("电话", "Phone"),
    Kind.QQ: ("QQ", "QQ"),
    Kind.WECHAT: ("微信", "WeChat"),
    Kind.ADDRESS: ("地址", "Address"),
    Kind.RETURN_ADDRESS: ("退货地址", "Return address"),
    Kind.LICENCE: ("证照号码", "Licence"),
    Kind.ICP: ("ICP备案", "ICP filing"),
    Kind.LEGAL_PERSON: ("法定代表人", "Legal representative"),
    Kind.PAYMENT: ("收款账户", "Payment account"),
    Kind.IMAGE: ("图片指纹", "Image fingerprint"),
    Kind.DOMAIN: ("域名", "Domain"),
    Kind.POLICE_NO: ("公安备案", "Police filing"),
}

# The field of a record in which a kind stands, and under which its raw form is sealed.
FIELD_OF_KIND: Final[dict[Kind, str]] = {kind: kind.name.lower() for kind in Kind}
