"""
Consent texts in English and French, by purpose and version.

A published version is never edited: a changed word makes a new version, because consents refer to
the version that was shown.
"""

from dataclasses import dataclass

PROFILING_PURPOSES = frozenset({"history", "profiling"})
"""Consents without which a customer's history is not used to recommend."""

PROVINCIAL_PURPOSES = frozenset({"face_verification", "face_identification"})
"""Purposes whose texts are chosen for each province, and only where biometrics is used."""


@dataclass(frozen=True, slots=True)
class ConsentTextVersion:
    """One version of the text of one purpose."""

    purpose: str
    version: str
    text_en: str
    text_fr: str


CONSENT_TEXTS = (
    ConsentTextVersion(
        purpose="history",
        version="2026-11",
        text_en=(
            "Keep what I buy and look at under my customer number, so that I can see it again and"
            " be served better. I can take this back at any time; what was kept is then no longer"
            " linked to me."
        ),
        text_fr=(
            "Conserver mes achats et mes consultations sous mon numéro de client, pour que je"
            " puisse les revoir et être mieux servi. Je peux retirer cet accord en tout temps; ce"
            " qui a été conservé ne sera alors plus lié à moi."
        ),
    ),
    ConsentTextVersion(
        purpose="profiling",
        version="2026-11",
        text_en=(
            "Suggest products to me based on what I bought, looked at and stated. Without this I"
            " see the same products as everyone else."
        ),
        text_fr=(
            "Me suggérer des produits selon mes achats, mes consultations et ce que j'ai indiqué."
            " Sans cet accord, je vois ce que tout le monde voit."
        ),
    ),
    ConsentTextVersion(
        purpose="chat",
        version="2026-11",
        text_en="Keep my conversations under my customer number, for at most a year.",
        text_fr="Conserver mes conversations sous mon numéro de client, pendant un an au plus.",
    ),
    ConsentTextVersion(
        purpose="marketing",
        version="2026-11",
        text_en="Send me news and offers. Every message explains how to stop them.",
        text_fr=(
            "M'envoyer des nouvelles et des offres. Chaque message indique comment y mettre fin."
        ),
    ),
)
