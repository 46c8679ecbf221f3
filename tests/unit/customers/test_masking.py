"""Tests of masking: personal data does not survive in redacted text; product data does."""

import string
import time
import unicodedata
from datetime import date

import phonenumbers
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from stdnum import ean, luhn

from customers.masking import ENTITY_TYPES, mask

# Pairs of an original text and its redacted text.
MASKED = [
    ("write to jane.tremblay+shop@example.co.uk please", "write to [EMAIL] please"),
    ("jean arobase exemple point ca", "[EMAIL]"),
    ("jane (at) example (dot) com", "[EMAIL]"),
    ("jane at example dot com", "[EMAIL]"),
    ("find me @jane.tremblay or instagram.com/janet", "find me [HANDLE] or [HANDLE]"),
    ("call 416-555-0199, or 514.555.0123 ext. 45", "call [PHONE], or [PHONE]"),
    ("my cell is (604) 555 0123", "my cell is [PHONE]"),
    ("418 555-0199 poste 12", "[PHONE]"),
    ("4165550199", "[PHONE]"),
    ("4165550199. 02/01/1985", "[PHONE]. [DATE-OF-BIRTH]"),
    ("+33 1 23 45 67 89", "[PHONE]"),
    ("rappelez-moi au 555-0199", "rappelez-moi au [PHONE]"),
    ("４１６－５５５－０１９９", "[PHONE]"),
    ("416\u00a0555\u20110199", "[PHONE]"),
    ("416\u200b555\u200b0199", "[PHONE]"),
    ("my card 4111 1111 1111 1111 cvv 123", "my card [CARD] cvv [CARD]"),
    ("2 4111111111111111", "2 [CARD]"),
    ("amex 3782-822463-10005", "amex [CARD]"),
    ("carte 4111 1111 1111 1112", "carte [CARD]"),
    ("my SIN is 046 454 286", "my SIN is [SIN]"),
    ("NAS : 046454286", "NAS : [SIN]"),
    ("046-454-286", "[SIN]"),
    ("my social insurance number is 123 456 789", "my social insurance number is [SIN]"),
    ("RAMQ TREJ 8551 0112", "RAMQ [HEALTH-CARD]"),
    ("trej85510112", "[HEALTH-CARD]"),
    ("my health card is 1234 567 897 ab", "my health card is [HEALTH-CARD]"),
    ("carte d'assurance maladie 9876 543 217", "carte d'assurance maladie [HEALTH-CARD]"),
    ("OHIP 1234-567-897-AB", "OHIP [HEALTH-CARD]"),
    ("driver's licence A1234-56789-01234", "driver's licence [LICENSE]"),
    ("permis de conduire T1234-567890-12", "permis de conduire [LICENSE]"),
    ("A12345678901234", "[LICENSE]"),
    ("my passport number is AB123456", "my passport number is [PASSPORT]"),
    ("loyalty number 88012345", "loyalty number [ACCOUNT]"),
    ("born 1985-01-02", "born [DATE-OF-BIRTH]"),
    ("my date of birth is January 2nd, 1985", "my date of birth is [DATE-OF-BIRTH]"),
    ("je suis née le 2 janvier 1985", "je suis née le [DATE-OF-BIRTH]"),
    ("02/01/1985", "[DATE-OF-BIRTH]"),
    ("1er mai 1990", "[DATE-OF-BIRTH]"),
    ("M5V 2T6", "[POSTAL-CODE]"),
    ("h2x1y4", "[POSTAL-CODE]"),
    ("zip 90210", "zip [POSTAL-CODE]"),
    ("I live at 123 Main Street, apt 4, Toronto", "I live at [ADDRESS], Toronto"),
    ("45 queen st. west", "45 queen st. west"),  # too ambiguous for an address
    ("45 Queen St. W", "[ADDRESS]"),
    ("1200 mcgill college avenue", "[ADDRESS]"),
    ("deliver to 12 Elm please", "deliver to [ADDRESS]"),
    ("123, rue Sainte-Catherine Ouest", "[ADDRESS]"),
    ("45 boul. René-Lévesque E., bureau 200", "[ADDRESS]"),
    ("10 rue de la Montagne", "[ADDRESS]"),
    ("3 place Ville Marie", "[ADDRESS]"),
    ("12, chemin de la Côte-des-Neiges app. 3", "[ADDRESS]"),
    ("P.O. Box 123", "[ADDRESS]"),
    ("my name is Jane Tremblay", "my name is [NAME]"),
    ("my name is jane and I'd like gummies", "my name is [NAME] and I'd like gummies"),
    ("MY NAME IS JANE TREMBLAY", "MY NAME IS [NAME]"),
    ("my name's Marie-Ève de la Tour, hello", "my name's [NAME], hello"),
    ("je m'appelle Jean-François Côté", "je m'appelle [NAME]"),
    (
        "je m’appelle jean côté et je cherche du Pink Kush",
        "je m’appelle [NAME] et je cherche du Pink Kush",
    ),
    ("Bonjour, c'est Luc Roy à l'appareil", "Bonjour, c'est [NAME] à l'appareil"),
    ("Hi, this is Jane calling about Blue Dream", "Hi, this is [NAME] calling about Blue Dream"),
    ("the order is under the name Sam O'Neil", "the order is under the name [NAME]"),
    ("la commande est au nom de Lucie Gagnon", "la commande est au nom de [NAME]"),
    ("I'm Jane Tremblay, is it in stock?", "I'm [NAME], is it in stock?"),
    ("Mme Gagnon ou M. Roy", "Mme [NAME] ou M. [NAME]"),
    ("is it back?\nThanks,\nJane", "is it back?\nThanks,\n[NAME]"),
    ("Cordialement, Luc Roy", "Cordialement, [NAME]"),
    (
        "my name is Jane Tremblay. Tremblay like the mountain",
        "my name is [NAME]. [NAME] like the mountain",
    ),
    (
        unicodedata.normalize("NFD", "je m'appelle Stéphane Bélanger, merci"),
        "je m'appelle [NAME], merci",
    ),
    ("4 1 6 5 5 5 0 1 9 9", "[NUMBER]"),
]
UNCHANGED = [
    "Do you have Blue Dream or Pink Kush?",
    "Jack Herer 3.5 g at 20% THC for $29.95",
    "This is Pink Kush, right?",
    "Is Girl Scout Cookies in stock, SKU 628582000016?",
    "GTIN 00628582000016, 628582000016",
    "SKU 102345678, code 046454286",
    "sku: 4165550199",
    "item number 4111111111111111",
    "18,00 – 24,00 % THC, 180 mg/g",
    "100-200-3000 mg",
    "2 x 10 mg THC, 5 x 0.5 g pre-rolls, 355 ml",
    "between $250-1000",
    "1,234,567.89",
    "packaged on 2025-11-03, expires 2026-11-03",
    "open 9:00-21:00 on 2026-11-26",
    "I have 2 questions about your Queen Street store",
    "28 grams in the best way, 3.5 g is the best place to start",
    "the 3rd line of 5, 10 for the road",
    "1 place pour fumer, 2 cours d'eau",
    "2 @ $20",
    "call me back later please",
    "call me when it is back",
    "what name is on the label?",
    "product name: Pink Kush",
    "comment s'appelle cette variété?",
    "ça s'appelle Pink Kush",
    "I'm looking for a sativa, I'm not sure",
    "je suis à la recherche d'un hybride",
    "il est permis d'acheter 30 g",
    "préroulés Good Supply 20 % THC",
    "quel est le numéro du produit 628582000016?",
    "look at ocs.ca",
    "limonene, myrcene & β-caryophyllene",
    "",
]

WORDS = st.sampled_from(
    ["gummies", "Pink Kush", "20% THC", "3.5 g", "hello,", "merci", "is it", "?", "$29.95", "2 of"]
)
CONTEXT = st.tuples(
    st.lists(WORDS, max_size=3).map(" ".join), st.lists(WORDS, max_size=3).map(" ".join)
)
AREA_CODES = [
    "204", "226", "250", "306", "403", "416", "418", "438", "506", "514", "604", "709", "867", "902"
]  # fmt: skip
PHONE_FORMATS = [
    "{}-{}-{}",
    "({}) {}-{}",
    "{}.{}.{}",
    "{} {} {}",
    "+1 {} {} {}",
    "1-{}-{}-{}",
    "+1{}{}{}",
    "({}){}-{}",
]
# Prefix, number of digits, sizes of the first groups.
CARD_BRANDS = [
    ("4", 16, (4, 4, 4)),
    ("51", 16, (4, 4, 4)),
    ("2221", 16, (4, 4, 4)),
    ("34", 15, (4, 6)),
    ("37", 15, (4, 6)),
]
# Characters that each position of a Canadian postal code may have.
FORWARD_SORTATION_AREA = ("ABCEGHJKLMNPRSTVXY", string.digits, "ABCEGHJKLMNPRSTVWXYZ")
LOCAL_DELIVERY_UNIT = (string.digits, "ABCEGHJKLMNPRSTVWXYZ", string.digits)
_SEPARATORS = st.sampled_from(["", " ", "-"])


def _digits(count: int) -> st.SearchStrategy[str]:
    return st.text(string.digits, min_size=count, max_size=count)


def _grouped(number: str, group_sizes: tuple[int, ...], separator: str) -> str:
    groups = []
    rest = number
    for size in group_sizes:
        groups.append(rest[:size])
        rest = rest[size:]
    return separator.join(filter(None, [*groups, rest]))


def _survives(secret: str, context: tuple[str, str]) -> bool:
    return secret in mask(f"{context[0]} {secret} {context[1]}")


@pytest.mark.parametrize(("text", "masked"), MASKED)
def test_personal_data_is_replaced_by_its_type(text: str, masked: str) -> None:
    assert mask(text) == unicodedata.normalize("NFC", masked)


@pytest.mark.parametrize("text", UNCHANGED)
def test_product_data_is_not_masked(text: str) -> None:
    assert mask(text) == text


@given(st.emails(), CONTEXT)
def test_no_email_survives(email: str, context: tuple[str, str]) -> None:
    assert not _survives(email, context)


@given(
    st.sampled_from(AREA_CODES),
    st.integers(200, 999),
    st.integers(0, 9999),
    st.sampled_from(PHONE_FORMATS),
    CONTEXT,
)
def test_no_phone_survives(
    area: str, office: int, line: int, form: str, context: tuple[str, str]
) -> None:
    assert not _survives(form.format(area, office, f"{line:04}"), context)


@pytest.mark.parametrize(
    "form", [phonenumbers.PhoneNumberFormat.E164, phonenumbers.PhoneNumberFormat.INTERNATIONAL]
)
def test_no_phone_of_any_country_survives(form: int) -> None:
    numbers = filter(None, map(phonenumbers.example_number, phonenumbers.SUPPORTED_REGIONS))
    formatted = [phonenumbers.format_number(number, form) for number in numbers]

    surviving = [number for number in formatted if _survives(number, ("reach me at", "please"))]

    assert len(formatted) > 200
    assert surviving == []


@given(st.sampled_from(CARD_BRANDS), _digits(14), _SEPARATORS, CONTEXT)
def test_no_card_survives(
    brand: tuple[str, int, tuple[int, ...]], rest: str, separator: str, context: tuple[str, str]
) -> None:
    prefix, length, group_sizes = brand
    number = (prefix + rest)[: length - 1]
    number += luhn.calc_check_digit(number)

    assert not _survives(_grouped(number, group_sizes, separator), context)


@given(_digits(8), _SEPARATORS, CONTEXT)
def test_no_social_insurance_number_survives(
    start: str, separator: str, context: tuple[str, str]
) -> None:
    number = start + luhn.calc_check_digit(start)
    assert not _survives(_grouped(number, (3, 3), separator), context)


@given(
    st.tuples(*map(st.sampled_from, FORWARD_SORTATION_AREA)),
    st.tuples(*map(st.sampled_from, LOCAL_DELIVERY_UNIT)),
    _SEPARATORS,
    st.booleans(),
    CONTEXT,
)
def test_no_postal_code_survives(
    first: tuple[str, ...],
    second: tuple[str, ...],
    separator: str,
    is_lower: bool,
    context: tuple[str, str],
) -> None:
    code = "".join(first) + separator + "".join(second)
    assert not _survives(code.lower() if is_lower else code, context)


@given(
    st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=4, max_size=4),
    st.dates(),
    st.booleans(),
    _digits(2),
    _SEPARATORS,
    CONTEXT,
)
def test_no_quebec_health_card_survives(
    letters: str, born: date, is_woman: bool, end: str, separator: str, context: tuple[str, str]
) -> None:
    number = f"{letters}{born.year % 100:02}{born.month + 50 * is_woman:02}{born.day:02}{end}"
    assert not _survives(_grouped(number, (4, 4), separator), context)


@given(st.integers(1, 10**11).map(lambda n: f"{n:011}"), st.sampled_from(["", "SKU ", "GTIN "]))
@example(start="11382200000", word="")  # read with its 1 twice, a phone number of area 382
def test_gtins_are_not_masked(start: str, word: str) -> None:
    gtin = start + ean.calc_check_digit(start)
    assert mask(f"is {word}{gtin} in stock") == f"is {word}{gtin} in stock"


@given(
    st.floats(0.1, 9999, allow_nan=False).map(lambda x: f"{x:.2f}"),
    st.sampled_from(["${}", "{} $", "{} g", "{}g", "{} mg", "{}%", "{} %", "{} ml", "{} oz"]),
)
def test_amounts_are_not_masked(amount: str, form: str) -> None:
    english = f"show me {form.format(amount)} of THC"
    french = f"moins de {form.format(amount).replace('.', ',')} svp"

    assert mask(english) == english
    assert mask(french) == french


@given(
    st.lists(st.sampled_from([text for text, _ in MASKED] + UNCHANGED), max_size=4),
    st.text(max_size=20),
)
@example(["my name is Jane Tremblay"], "\ue000")
def test_masking_a_masked_text_changes_nothing(texts: list[str], noise: str) -> None:
    once = mask(f"{noise} {'. '.join(texts)}")
    assert mask(once) == once


@given(st.text(max_size=200))
def test_masking_adds_nothing_but_placeholders(text: str) -> None:
    remaining = mask(text)
    for entity_type in ENTITY_TYPES:
        remaining = remaining.replace(f"[{entity_type}]", "")

    original = iter(unicodedata.normalize("NFC", text))
    assert all(character in original for character in remaining)


@given(st.text(string.ascii_letters + string.digits + "-_", min_size=3, max_size=20), CONTEXT)
def test_no_known_identifier_survives(identifier: str, context: tuple[str, str]) -> None:
    assume(identifier.casefold() not in " ".join(context).casefold())
    assume(identifier.casefold() not in ("account", "acc", "number", "name"))

    masked = mask(f"{context[0]} {identifier} {context[1]}", known=(identifier,))

    assert identifier not in masked or identifier in "[ACCOUNT]"


@pytest.mark.parametrize(
    "text",
    [
        "a" * 8000,
        "1 " * 2000,
        "1" * 8000,
        "my name is " * 800,
        "1 A " * 2000,
        "+1-" * 2500,
        "@a." * 2500,
    ],
    ids=["letters", "digits", "long number", "names", "postal codes", "phone numbers", "emails"],
)
def test_masking_time_grows_linearly_with_length(text: str) -> None:
    quarter_seconds = _masking_seconds(text[: len(text) // 4])
    whole_seconds = _masking_seconds(text)

    assert whole_seconds < 12 * quarter_seconds + 0.05


def _masking_seconds(text: str) -> float:
    """Return the processor time of the fastest of three runs."""
    durations = []
    for _ in range(3):
        started_at = time.process_time()
        mask(text)
        durations.append(time.process_time() - started_at)
    return min(durations)
