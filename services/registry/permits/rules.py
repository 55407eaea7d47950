"""许可规则 the kinds of permits that matter for selling online, and what a check of one gave."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class PermitKind(StrEnum):
    """Kind of a permit (the list follows what the authorities' own sites show; it is not complete)."""

    FOOD_BUSINESS = "food_business"
    FOOD_PRODUCTION = "food_production"
    DRUG_RETAIL = "drug_retail"
    DRUG_ONLINE = "drug_online"
    MEDICAL_DEVICE = "medical_device"
    COSMETICS = "cosmetics"
    PUBLICATION = "publication"
    TOBACCO = "tobacco"
    HAZARDOUS = "hazardous"
    TELECOM = "telecom"
    OTHER = "other"


KIND_LABELS: Final[dict[PermitKind, tuple[str, str]]] = {
    PermitKind.FOOD_BUSINESS: ("食品经营许可证", "Food business"),
    PermitKind.FOOD_PRODUCTION: ("食品生产许可证", "Food production"),
    PermitKind.DRUG_RETAIL: ("药品经营许可证", "Pharmacy"),
    PermitKind.DRUG_ONLINE: ("互联网药品信息服务资格", "Online drug information"),
    PermitKind.MEDICAL_DEVICE: ("医疗器械经营许可或备案", "Medical devices"),
    PermitKind.COSMETICS: ("化妆品生产许可证", "Cosmetics production"),
    PermitKind.PUBLICATION: ("出版物经营许可证", "Publications"),
    PermitKind.TOBACCO: ("烟草专卖零售许可证", "Tobacco retail"),
    PermitKind.HAZARDOUS: ("危险化学品经营许可证", "Hazardous chemicals"),
    PermitKind.TELECOM: ("增值电信业务经营许可证", "Value-added telecom"),
    PermitKind.OTHER: ("其他许可", "Other"),
}


class VerifyState(StrEnum):
    """What a comparison with the issuer's register gave."""

    UNVERIFIED = "unverified"
    VALID = "valid"
    EXPIRED = "expired"
    NOT_FOUND = "not_found"
    MISMATCH = "mismatch"


STATE_LABELS: Final[dict[VerifyState, tuple[str, str]]] = {
    VerifyState.UNVERIFIED: ("未核验", "Not verified"),
    VerifyState.VALID: ("核验有效", "Valid"),
    VerifyState.EXPIRED: ("已过期", "Expired"),
    VerifyState.NOT_FOUND: ("查无此证", "Not found"),
    VerifyState.MISMATCH: ("信息不符", "Does not match"),
}
