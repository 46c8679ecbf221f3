"""
Judgments of the unseen queries: what customers and budtenders type, written before any was run.

Nothing in search is tuned on them. Each has a rule of judging, written by reading the products of
the sample catalogue. English and French queries differ, so that neither language repeats the other.
"""

from collections.abc import Iterator

from tests.samples.search.rules import (
    INDICA,
    SATIVA,
    Condition,
    JudgedPair,
    accessory,
    aio,
    any_of,
    between,
    by,
    capsule,
    cartridge,
    chew,
    chocolate,
    concentrate,
    dab,
    disposable,
    drink,
    edible,
    every,
    flower,
    gummy,
    named,
    no,
    oil,
    pre_roll,
    price_of,
    seed,
    strong,
    topical,
    vape,
    with_cbd,
)

is_indica = any_of(lambda p: p["strain_type"] in INDICA, named("Indica"))
is_sativa = any_of(lambda p: p["strain_type"] in SATIVA, named("Sativa"))
eighth = between("weight_grams", 3.4, 3.6)
ounce = between("weight_grams", 27.9, 30)
# "Jetable" and "disposable" are said of all-in-one pens too.
pen = any_of(disposable, aio)


def unseen_queries() -> Iterator[JudgedPair]:
    """Yield the queries by category; each has a text in one language."""
    yield from _edibles()
    yield from _beverages()
    yield from _vapes()
    yield from _concentrates()
    yield from _pre_rolls()
    yield from _oils_and_capsules()
    yield from _topicals_seeds_and_accessories()
    yield from _flower()


def _en(q: str, category: str, ideal: Condition, good: Condition | None = None) -> JudgedPair:
    return JudgedPair(en=q, fr="", category=category, ideal=ideal, good=good, is_unseen=True)


def _fr(q: str, category: str, ideal: Condition, good: Condition | None = None) -> JudgedPair:
    return JudgedPair(en="", fr=q, category=category, ideal=ideal, good=good, is_unseen=True)


def _edibles() -> Iterator[JudgedPair]:
    e = "edibles"
    jujube = every(edible, gummy)
    sleepy = named("Sleep", "Sleepy", "Goodnight", "nuit")
    yield _en("sleep gummies", e, every(jujube, sleepy), every(edible, sleepy))
    yield _en("CBG gummies", e, every(jujube, named("CBG")), every(edible, named("CBG")))
    yield _en("peanut butter cookie", e, every(edible, named("Peanut Butter")))
    yield _en("white chocolate", e, every(edible, named("White Chocolate")))
    yield _en("brownies", e, every(edible, named("Brownies")))
    yield _en("caramel chews", e, every(edible, chew, named("Caramel")))
    yield _en("50mg gummies", e, every(jujube, between("thc_mg", 45, 55)))
    yield _en("wyld sour apple", e, every(by("Wyld"), named("Sour Apple")))
    yield _en("sour gummies", e, every(jujube, named("Sour")), every(edible, chew, named("Sour")))
    yield _en(
        "toffee chocolate bar",
        e,
        every(edible, named("Toffee")),
    )
    yield _en("mountaintop gummies sativa", e, every(jujube, by("Mountaintop Extracts"), is_sativa))
    yield _fr("jujubes kiwi et fraise", e, every(jujube, named("Kiwi Strawberry", "Strawkiwi")))
    yield _fr("bonbon racinette", e, every(edible, named("Root Beer")))
    yield _fr("chocolat au beurre d'arachide", e, every(edible, chocolate, named("PB", "Peanut")))
    yield _fr("biscuit au gingembre", e, every(edible, named("Ginger")))
    yield _fr("jujubes à la pomme verte", e, every(jujube, named("Green Apple")))
    yield _fr("jujubes indica 10 mg", e, every(jujube, is_indica, between("thc_mg", 9, 11)))
    yield _fr("chocolat au lait croquant", e, every(edible, named("Crunch")))
    yield _fr(
        "comestibles pas trop forts 1 mg",
        e,
        every(edible, between("thc_mg", 0.9, 1.1)),
    )
    yield _fr("bonbons au caramel", e, every(edible, named("Caramel")))


def _beverages() -> Iterator[JudgedPair]:
    b = "beverages"
    yield _en("ginger drink", b, every(drink, named("Ginger")))
    yield _en("green tea", b, every(drink, named("Green Tea")))
    yield _en("pink lemonade", b, every(drink, named("Pink Lemonade")))
    yield _en("weed cola", b, every(drink, named("Cola")))
    yield _en("coffee pods", b, every(drink, named("Pod", "O-Cup")))
    yield _en("tropical juice", b, every(drink, named("Tropical")))
    yield _en("keylime shot", b, every(drink, named("Key Lime")))
    yield _fr("thé vert", b, every(drink, named("Green Tea")))
    yield _fr("jus d'orange", b, every(drink, named("Orange Juice")))
    yield _fr("breuvage framboise", b, every(drink, named("Raspberry")))
    yield _fr("chocolat chaud à la menthe", b, every(drink, named("Peppermint")))
    yield _fr("boisson à moins de 10 piasses", b, every(drink, between("price", 0, 10)))
    yield _fr("limonade aux petits fruits", b, every(drink, named("Wild Berry")))


def _vapes() -> Iterator[JudgedPair]:
    v = "vapes"
    yield _en("2 gram disposable", v, every(vape, pen, between("weight_grams", 1.9, 2.1)))
    yield _en("GG4 pen", v, every(vape, named("Gorilla Glue #4")))
    yield _en(
        "sour diesel vape",
        v,
        every(vape, named("Sour Diesel")),
    )
    yield _en("pina colada pen", v, every(vape, named("Pina Colada")))
    yield _en("purple punch cart", v, every(vape, cartridge, named("Purple Punch")))
    yield _en("fiore carts", v, every(by("Fiore"), cartridge), every(by("Fiore"), vape))
    yield _en("dime 2g", v, every(by("Dime"), vape))
    yield _fr(
        "cartouche ananas",
        v,
        every(vape, cartridge, named("Pineapple")),
    )
    yield _fr("vapoteuse gelato", v, every(vape, named("Gelato")))
    yield _fr(
        "northern lights jetable 1 gramme",
        v,
        every(vape, disposable, named("Northern Lights")),
    )
    yield _fr("cartouche 510 banana kush", v, every(vape, cartridge, named("Banana Kush")))
    yield _fr(
        "stylo vapo sativa moins de 40$",
        v,
        every(vape, is_sativa, between("price", 0, 40)),
    )
    yield _fr(
        "vapoteuse résine vive",
        v,
        every(vape, any_of(named("Live Resin"), named("LR"))),
    )


def _concentrates() -> Iterator[JudgedPair]:
    c = "concentrates"
    yield _en("caviar", c, every(dab, named("Caviar")))
    yield _en("couch lock rosin", c, every(dab, by("Couch Lock")))
    yield _en("moroccan hash", c, every(dab, named("Moroccan")), every(dab, named("Hash")))
    yield _en("gg4 diamonds", c, every(dab, named("Gorilla Glue #4"), named("Diamonds")))
    yield _en("full melt", c, every(dab, named("Full Melt")))
    yield _en("budder", c, every(dab, named("Badder")))
    yield _en("RSO", c, every(dab, named("RSO")))
    yield _fr("haschich pressé marocain", c, every(dab, named("Moroccan")))
    yield _fr("résine vivante runtz", c, every(dab, named("Live Resin"), named("Runtz")))
    yield _fr("diamants fraise goyave", c, every(dab, named("Strawberry Guava")))
    yield _fr("cire à la cerise", c, every(dab, named("Wax"), named("Cherry")))
    yield _fr("seringue pineapple express", c, every(dab, named("RSO"), named("Pineapple Express")))
    yield _fr(
        "distillat", c, every(dab, named("Distillate")), every(concentrate, named("Distillate"))
    )


def _pre_rolls() -> Iterator[JudgedPair]:
    p = "pre-rolls"
    yield _en("runtz preroll", p, every(pre_roll, named("Runtz")))
    yield _en("hash infused joint", p, every(pre_roll, named("Hash Infused")))
    yield _en("baby jeeters", p, every(pre_roll, by("Jeeter")))
    yield _en("gmo joint", p, every(pre_roll, named("GMO")))
    yield _en(
        "grapevine infused 7 pack",
        p,
        every(pre_roll, named("Grapevine"), between("unit_count", 7, 7)),
        every(pre_roll, named("Grapevine")),
    )
    yield _en("packwoods blunt", p, every(pre_roll, by("Packwoods")))
    yield _fr("joints indica", p, every(pre_roll, is_indica))
    yield _fr("préroulé fraise banane", p, every(pre_roll, named("Strawberry Banana")))
    yield _fr("joint à 8 piasses", p, every(pre_roll, between("price", 7.5, 8.5)))
    yield _fr(
        "joint infusé plus de 40 % de THC",
        p,
        every(pre_roll, named("Infused"), between("thc_percentage", 40, 100)),
    )
    yield _fr("paquet de 3 joints", p, every(pre_roll, between("unit_count", 3, 3)))
    yield _fr("préroulé tropicana cherry", p, every(pre_roll, named("Tropicana Cherry")))


def _oils_and_capsules() -> Iterator[JudgedPair]:
    o = "oils and capsules"
    night = named("Night", "Sleep", "nuit")
    yield _en("cbd oil for dogs", o, every(oil, named("Pet")), every(oil, with_cbd))
    yield _en("oral spray", o, every(oil, named("Oral Spray")), every(oil, named("Oral Mist")))
    yield _en("night caps", o, every(capsule, night))
    yield _en("oil for sleep", o, every(oil, any_of(night, named("Hypnos"))))
    yield _en("thrive capsules", o, every(capsule, named("Thrive")), named("Thrive"))
    yield _fr("huile de nuit", o, every(oil, night))
    yield _fr(
        "vaporisateur oral", o, every(oil, named("Oral Spray")), every(oil, named("Oral Mist"))
    )
    yield _fr(
        "teinture citron et miel",
        o,
        every(oil, named("Lemon Honey"), named("Tincture")),
        every(oil, named("Lemon Honey")),
    )
    yield _fr("gélules de jour", o, every(capsule, named("Day")))
    yield _fr("huile au café", o, every(oil, named("Coffee")))


def _topicals_seeds_and_accessories() -> Iterator[JudgedPair]:
    o = "topicals, seeds and accessories"
    bath = named("Bath Bomb", "Bath Salts")
    yield _en("roll on", o, every(topical, named("Roll On", "Roller")))
    yield _en("lip balm", o, every(topical, named("Lip")))
    yield _en("menthol rub", o, every(topical, named("Menthol", "Mentholated")))
    yield _en("cbd patch", o, every(topical, named("Transdermal Patch")))
    yield _en("sour diesel seeds", o, every(seed, named("Sour Diesel")))
    yield _en("cones", o, every(accessory, named("Cones")))
    yield _en("ash tray", o, every(accessory, named("Ashtray")))
    yield _en("zig zags", o, every(accessory, by("ZIGZAG")))
    yield _en("raw papers", o, every(accessory, named("RAW"), named("Rolling Papers")))
    yield _fr(
        "sels de bain à la lavande",
        o,
        every(topical, named("Bath Salts"), named("Lavender")),
        every(topical, bath),
    )
    yield _fr("timbre transdermique", o, every(topical, named("Transdermal Patch")))
    yield _fr("crème à l'eucalyptus", o, every(topical, named("Eucalyptus"), no(bath)))
    yield _fr("graines ananas", o, every(seed, named("Pineapple")))
    yield _fr("cendrier", o, every(accessory, named("Ashtray")))
    yield _fr("plateau à rouler", o, every(accessory, named("Rolling Tray")))
    yield JudgedPair(
        en="",
        fr="le grinder le moins cher",
        category=o,
        ideal=every(accessory, named("Grinder")),
        order=price_of,
        is_unseen=True,
    )


def _flower() -> Iterator[JudgedPair]:
    f = "flower"

    def sized(q: str, whole: Condition, size: Condition, *, is_french: bool = False) -> JudgedPair:
        make = _fr if is_french else _en
        return make(q, f, every(flower, whole, size), every(flower, whole))

    psf = by("Pure Sunfarms")
    yield _en("psf headband", f, every(psf, named("Headband")), every(flower, named("Headband")))
    yield sized("tangerine dream eighth", named("Tangerine Dream"), eighth)
    yield _en("tgod", f, every(flower, by("The Green Organic Dutchman")))
    yield _en("la confidential", f, every(flower, named("LA Confidential")))
    yield _en("mk ultra", f, every(flower, named("MK Ultra")))
    yield _en(
        "indica ounce under $120", f, every(flower, is_indica, ounce, between("price", 0, 120))
    )
    yield _en("haven st 417", f, every(flower, named("417")))
    yield _en(
        "san rafael pink kush",
        f,
        every(by("San Rafael '71"), named("Pink Kush")),
        every(flower, named("Pink Kush")),
    )
    yield JudgedPair(
        en="strongest sativa eighth",
        fr="",
        category=f,
        ideal=every(flower, is_sativa, eighth),
        order=strong,
        is_unseen=True,
    )
    yield sized(
        "redecan wappa 15g", every(by("Redecan"), named("Wappa")), between("weight_grams", 15, 15)
    )
    yield _en(
        "ready to roll",
        f,
        every(flower, named("Ready to Roll", "Ready-to-Roll", "Milled", "Pre Milled", "Grind")),
    )
    yield _en("GMO flower", f, every(flower, named("GMO")))
    yield _en("gorilla flower", f, every(flower, named("Gorilla")))
    yield _en("chocolate flower", f, every(flower, named("Chocolate")))
    yield _fr(
        "fleur indica 15 g moins de 80 $",
        f,
        every(flower, is_indica, between("weight_grams", 14.9, 15.1), between("price", 0, 80)),
    )
    yield JudgedPair(
        en="",
        fr="l'once la moins chère",
        category=f,
        ideal=every(flower, ounce, lambda p: p["price"] is not None),
        order=price_of,
        is_unseen=True,
    )
    yield _fr("chocolat menthe og", f, every(flower, named("Chocolate Mint OG")))
    yield _fr(
        "7 acres white widow",
        f,
        every(by("7ACRES"), named("White Widow")),
        every(flower, named("White Widow")),
    )
    yield _fr(
        "fleur bio",
        f,
        every(
            flower,
            any_of(
                named("Organic"),
                by("Highly Dutch Organic"),
                by("Reef Organic"),
                by("The Green Organic Dutchman"),
            ),
        ),
    )
    yield sized(
        "color mango haze 15g",
        every(by("Color Cannabis"), named("Mango Haze")),
        between("weight_grams", 15, 15),
        is_french=True,
    )
    yield _fr("good supply monkey glue", f, every(flower, named("Monkey Glue")))
    yield _fr(
        "quart d'once afghan kush",
        f,
        every(flower, named("Afghan Kush"), between("weight_grams", 7, 7)),
        every(flower, named("Afghan Kush")),
    )
    yield _fr("herbe au citron", f, every(flower, named("Lemon", "Citron")))
    yield _fr(
        "hybride 28 g",
        f,
        every(
            flower,
            ounce,
            any_of(lambda p: p["strain_type"] in ("hybrid", "blend"), named("Hybrid", "Hybride")),
        ),
    )
    yield _fr(
        "wedding cake 3,5 g moins de 35$",
        f,
        every(flower, named("Wedding Cake"), eighth, between("price", 0, 35)),
    )
    yield _fr(
        "fleur moulue sativa",
        f,
        every(flower, is_sativa, named("Ready to Roll", "Ready-to-Roll", "Milled", "Grind")),
    )
    yield _fr("mangue", f, named("Mango", "Mangue"))
    yield _fr(
        "pedro sweet sativa prêt à rouler",
        f,
        every(flower, named("Pedro's"), named("Ready To Roll")),
        every(flower, named("Pedro's")),
    )
