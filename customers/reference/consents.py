"""What people are asked, in both languages. A changed word is a new version: who agreed, agreed to the old one."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Text:
    """One version of one question."""

    purpose: str
    version: str
    en: str
    fr: str


TEXTS = (
    Text(
        "history",
        "2026-11",
        "Keep what I buy and look at under my customer number, so that I can see it again and be served by it. I can take"
        " this back at any time; what was kept is then no longer linked to me.",
        "Conserver mes achats et mes consultations sous mon numéro de client, pour que je puisse les revoir et être mieux"
        " servi. Je peux retirer cet accord en tout temps; ce qui a été conservé ne sera alors plus lié à moi.",
    ),
    Text(
        "profiling",
        "2026-11",
        "Suggest products to me by what I bought, looked at and told. Without this I see what everybody sees.",
        "Me suggérer des produits selon mes achats, mes consultations et ce que j'ai indiqué. Sans cet accord, je vois ce"
        " que tout le monde voit.",
    ),
    Text(
        "chat",
        "2026-11",
        "Keep my conversations under my customer number, for at most a year.",
        "Conserver mes conversations sous mon numéro de client, pendant un an au plus.",
    ),
    Text(
        "marketing",
        "2026-11",
        "Send me news and offers. Every message tells how to stop them.",
        "M'envoyer des nouvelles et des offres. Chaque message indique comment y mettre fin.",
    ),
)
