"""
Judgments of queries by category, not about flower: writes their lines of `queries.jsonl`.

Each pair of an English and a French query has a rule of judging, from what a budtender reads on the
packages: `ideal`, `good` and `marginal` are conditions of a product. A product has the highest
grade whose condition it meets. `order` grades the products that meet `ideal` by rank instead, for
superlatives: three ideal, four good, six marginal ones.

`python -m tests.samples.search.judge` syncs the sample catalogue into the configured database,
unless there are products already, and writes the lines of these pairs and of the unseen queries.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django

from tests.samples.search.rules import (
    INDICA,
    SATIVA,
    Condition,
    JudgedPair,
    Product,
    accessory,
    aio,
    between,
    by,
    capsule,
    cartridge,
    chew,
    chocolate,
    concentrate,
    dab,
    dear,
    disposable,
    drink,
    edible,
    every,
    gummy,
    named,
    no,
    of,
    oil,
    pre_roll,
    price_of,
    seed,
    strong,
    topical,
    vape,
    with_cbd,
)
from tests.samples.search.unseen import unseen_queries

QUERIES = Path(__file__).with_name("queries.jsonl")
NUMBERS = (
    "weight_grams",
    "unit_count",
    "volume_ml",
    "price",
    "thc_percentage",
    "cbd_percentage",
    "thc_mg",
    "cbd_mg",
)
FIELDS = ("name", "name_fr", "brand", "sku", "category", "strain_type", "terpenes", *NUMBERS)


def flavor(
    en: str, fr: str, category: str, form: Condition, *words: str, wider: Condition | None = None
) -> JudgedPair:
    """Return a pair for a flavor of a form: other forms of the category with it are good."""
    return JudgedPair(
        en, fr, category, every(form, named(*words)), wider and every(wider, named(*words))
    )


def strain(en: str, fr: str, category: str, form: Condition, name: str) -> JudgedPair:
    """Return a pair for a strain in a form: the strain in any form of the category is good."""
    whole = named(name)
    categories: dict[str, Condition] = {
        "vapes": vape,
        "concentrates": dab,
        "pre-rolls": pre_roll,
        "seeds": seed,
    }
    return JudgedPair(en, fr, category, every(form, whole), every(categories[category], whole))


def pairs() -> Iterator[JudgedPair]:
    """Yield the judged pairs by category."""
    yield from _edibles()
    yield from _beverages()
    yield from _vapes()
    yield from _concentrates()
    yield from _pre_rolls()
    yield from _oils_and_capsules()
    yield from _others()


def _edibles() -> Iterator[JudgedPair]:
    e = "edibles"
    other = every(edible, no(gummy))
    yield JudgedPair("gummies", "jujubes", e, every(edible, gummy), every(edible, chew))
    yield JudgedPair("what gummies do you have", "avez-vous des gélifiés", e, every(edible, gummy))
    yield JudgedPair(
        "soft chews", "confiseries molles", e, every(edible, chew), every(edible, gummy)
    )
    yield JudgedPair("chocolate bar", "tablette de chocolat", e, every(edible, chocolate))
    yield JudgedPair(
        "dark chocolate",
        "chocolat noir",
        e,
        every(edible, named("Dark Chocolate")),
        named("Dark Chocolate"),
    )
    yield JudgedPair(
        "milk chocolate",
        "chocolat au lait",
        e,
        every(edible, named("Milk Chocolate")),
        named("Milk Chocolate"),
    )
    yield JudgedPair(
        "infused cookies", "biscuits infusés", e, every(edible, named("Cookies", "Biscuits"))
    )
    yield JudgedPair("hard candy", "bonbons durs", e, every(edible, named("Hard Candy")))
    yield flavor("peach gummies", "jujubes à la pêche", e, gummy, "Peach", wider=other)
    yield flavor("strawberry gummies", "gélifiés à la fraise", e, gummy, "Strawberry", wider=other)
    yield flavor("watermelon edible", "comestible melon d'eau", e, edible, "Watermelon")
    yield flavor("cherry gummies", "jujubes à la cerise", e, gummy, "Cherry", wider=other)
    yield flavor("mango edibles", "comestibles à la mangue", e, edible, "Mango")
    yield flavor("raspberry gummies", "jujubes framboise", e, gummy, "Raspberry", wider=other)
    yield flavor(
        "blueberry chocolate", "chocolat aux bleuets", e, chocolate, "Blueberry", wider=edible
    )
    yield JudgedPair(
        "Wyld gummies", "jujubes Wyld", e, every(by("Wyld"), gummy), every(by("Wyld"), edible)
    )
    yield JudgedPair("Bhang chocolate", "chocolat Bhang", e, every(by("Bhang"), chocolate))
    yield JudgedPair(
        "cheeba chews", "cheeba chews comestibles", e, every(by("Cheeba Chews"), edible)
    )
    yield JudgedPair(
        "gummies under $15",
        "jujubes moins de 15 $",
        e,
        every(edible, gummy, between("price", 0, 15)),
        every(edible, chew, between("price", 0, 15)),
    )
    yield JudgedPair(
        "cheapest gummies", "les jujubes les moins chers", e, every(edible, gummy), order=price_of
    )
    yield JudgedPair(
        "strongest gummies", "les jujubes les plus forts", e, every(edible, gummy), order=strong
    )
    yield JudgedPair(
        "sativa gummies", "jujubes sativa", e, every(of(e, *SATIVA), gummy), of(e, *SATIVA)
    )
    yield JudgedPair("indica edibles", "comestibles indica", e, of(e, *INDICA))
    yield JudgedPair(
        "gummies not indica", "jujubes pas d'indica", e, every(of(e), gummy, no(of(e, *INDICA)))
    )
    yield JudgedPair(
        "cbd gummies", "jujubes au CBD", e, every(edible, gummy, with_cbd), every(edible, with_cbd)
    )
    yield JudgedPair(
        "pharmers tophee or candy", "bonbons Pharmers", e, every(by("Pharmers"), edible)
    )
    yield JudgedPair(
        "strawbery gumies", "jujubes fraize", e, every(edible, gummy, named("Strawberry"))
    )


def _beverages() -> Iterator[JudgedPair]:
    b = "beverages"
    yield JudgedPair("drinks", "boissons", b, drink)
    yield JudgedPair("soda", "boisson gazeuse", b, every(drink, named("Soda")))
    yield JudgedPair(
        "iced tea", "thé glacé", b, every(drink, named("Iced Tea")), every(drink, named("Tea"))
    )
    yield JudgedPair("lemonade", "limonade", b, every(drink, named("Lemonade")))
    yield flavor(
        "strawberry lemonade",
        "limonade à la fraise",
        b,
        every(drink, named("Lemonade")),
        "Strawberry",
        wider=drink,
    )
    yield JudgedPair("cold brew coffee", "café infusé à froid", b, every(drink, named("Coffee")))
    yield JudgedPair("hot cocoa", "cacao chaud", b, every(drink, named("Cocoa")))
    yield JudgedPair("sparkling water", "eau pétillante", b, every(drink, named("Sparkling Water")))
    yield JudgedPair(
        "chamomile tea", "tisane camomille", b, every(drink, named("Chamomile", "Camomile"))
    )
    yield flavor("peach tea", "thé à la pêche", b, every(drink, named("Tea")), "Peach", wider=drink)
    yield flavor("orange drink", "boisson à l'orange", b, drink, "Orange")
    yield flavor("cherry beverage", "breuvage à la cerise", b, drink, "Cherry")
    yield flavor("root beer", "racinette", b, drink, "Root Beer")
    yield JudgedPair("Mirth Provisions", "boissons Mirth Provisions", b, by("Mirth Provisions"))
    yield JudgedPair(
        "10 mg drink",
        "boisson 10 mg",
        b,
        every(drink, between("thc_mg", 9, 11)),
        every(drink, between("thc_mg", 5, 20)),
    )
    yield JudgedPair(
        "drinks under $12", "boissons 12 $ et moins", b, every(drink, between("price", 0, 12))
    )
    yield JudgedPair("cbd drink", "boisson au cbd", b, every(drink, with_cbd))
    yield JudgedPair("strongest drink", "la boisson la plus forte", b, drink, order=strong)
    yield JudgedPair("cheapest beverage", "la boisson la moins chère", b, drink, order=price_of)
    yield JudgedPair(
        "energy shot", "shot énergie", b, every(drink, named("Shot")), every(drink, named("Energy"))
    )


def _vapes() -> Iterator[JudgedPair]:
    v = "vapes"
    yield JudgedPair("510 cartridge", "cartouche 510", v, every(vape, cartridge))
    yield JudgedPair("carts", "cartouches", v, every(vape, cartridge))
    yield JudgedPair(
        "all-in-one vape", "vapoteuse tout-en-un", v, every(vape, aio), every(vape, disposable)
    )
    yield JudgedPair("AIO", "tout-en-un", v, every(vape, aio), every(vape, disposable))
    yield JudgedPair(
        "disposable pen", "vapoteuse jetable", v, every(vape, disposable), every(vape, aio)
    )
    yield JudgedPair(
        "live resin cart",
        "cartouche résine vivante",
        v,
        every(vape, cartridge, named("Live Resin")),
        every(vape, named("Live Resin")),
    )
    yield strain("blue dream vape", "vapoteuse blue dream", v, vape, "Blue Dream")
    yield strain("grape ape cartridge", "cartouche grape ape", v, cartridge, "Grape Ape")
    yield strain("jack herer disposable", "jetable jack herer", v, disposable, "Jack Herer")
    yield strain(
        "pineapple express cart", "cartouche pineapple express", v, cartridge, "Pineapple Express"
    )
    yield strain("black mamba vape", "vapo black mamba", v, vape, "Black Mamba")
    yield JudgedPair("Bloom vape", "vapoteuse Bloom", v, every(by("Bloom"), vape))
    yield JudgedPair(
        "Vana disposable",
        "jetable Vana",
        v,
        every(by("Vana"), vape, disposable),
        every(by("Vana"), vape),
    )
    yield JudgedPair("ghost 2g vape", "vapoteuse ghost 2 g", v, every(by("Ghost"), vape))
    yield JudgedPair("sativa vape", "vapoteuse sativa", v, of(v, *SATIVA))
    yield JudgedPair("indica cartridge", "cartouche indica", v, every(of(v, *INDICA), cartridge))
    yield JudgedPair(
        "vape under $25", "vapoteuse moins de 25 $", v, every(vape, between("price", 0, 25))
    )
    yield JudgedPair(
        "1g cartridge",
        "cartouche 1 g",
        v,
        every(vape, cartridge, between("weight_grams", 0.97, 1.03)),
        every(vape, cartridge),
    )
    yield JudgedPair(
        "half gram vape",
        "vapoteuse demi-gramme",
        v,
        every(vape, between("weight_grams", 0.48, 0.52)),
    )
    yield JudgedPair(
        "vape around $40",
        "vapoteuse environ 40 $",
        v,
        every(vape, between("price", 34, 46)),
        order=lambda p: abs(p["price"] - 40),
    )
    yield JudgedPair("strongest vape", "la vapoteuse la plus forte", v, vape, order=strong)
    yield JudgedPair(
        "cheapest cart", "la cartouche la moins chère", v, every(vape, cartridge), order=price_of
    )
    yield JudgedPair("vape not disposable", "vapoteuse pas jetable", v, every(vape, no(disposable)))


def _concentrates() -> Iterator[JudgedPair]:
    c = "concentrates"
    yield JudgedPair(
        "live rosin",
        "rosin vivante",
        c,
        every(dab, named("Rosin")),
        every(concentrate, named("Rosin")),
    )
    yield JudgedPair(
        "hash",
        "haschich",
        c,
        every(dab, named("Hash", "Haschich"), no(named("Hash Rosin"))),
        every(dab, named("Hash Rosin")),
    )
    yield JudgedPair(
        "bubble hash",
        "haschich à l'eau glacée",
        c,
        every(dab, named("Bubble Hash")),
        every(dab, named("Hash")),
    )
    yield JudgedPair("shatter", "shatter ambre", c, every(dab, named("Shatter", "Ambre")))
    yield JudgedPair("wax", "cire", c, every(dab, named("Wax")))
    yield JudgedPair("badder", "budder", c, every(dab, named("Badder")))
    yield JudgedPair(
        "diamonds",
        "diamants",
        c,
        every(dab, named("Diamonds")),
        every(concentrate, named("Diamond")),
    )
    yield JudgedPair("crumble", "concentré crumble", c, every(dab, named("Crumble")))
    yield JudgedPair("live sugar", "sucre de résine", c, every(dab, named("Live Sugar")))
    yield JudgedPair("rso syringe", "seringue rso", c, every(dab, named("RSO Syringe")))
    yield JudgedPair(
        "live resin concentrate", "concentré résine vivante", c, every(dab, named("Live Resin"))
    )
    yield strain(
        "blueberry muffin rosin", "rosin blueberry muffin", c, named("Rosin"), "Blueberry Muffin"
    )
    yield strain("banana kush badder", "badder banana kush", c, named("Badder"), "Banana Kush")
    yield strain("papaya hash", "haschich papaya", c, named("Hash"), "Papaya")
    yield JudgedPair(
        "vana live sugar",
        "sucre de résine vana",
        c,
        every(by("Vana"), named("Live Sugar")),
        every(by("Vana"), dab),
    )
    yield JudgedPair(
        "wax under $25", "cire moins de 25 $", c, every(dab, named("Wax"), between("price", 0, 25))
    )
    yield JudgedPair(
        "indica rosin", "rosin indica", c, every(of("extracts", *INDICA), named("Rosin"))
    )
    yield JudgedPair(
        "cheapest diamonds",
        "les diamants les moins chers",
        c,
        every(dab, named("Diamonds")),
        order=price_of,
    )
    yield JudgedPair(
        "concentrate over 85% THC",
        "concentré plus de 85 % de THC",
        c,
        every(concentrate, between("thc_percentage", 85, 100)),
    )


def _pre_rolls() -> Iterator[JudgedPair]:
    p = "pre-rolls"
    infused = named("Infused")
    yield JudgedPair("infused pre-rolls", "préroulés infusés", p, every(pre_roll, infused))
    yield JudgedPair(
        "7 pack pre-rolls", "paquet de 7 préroulés", p, every(pre_roll, between("unit_count", 7, 7))
    )
    yield JudgedPair(
        "5-pack joints", "boîte de 5 joints", p, every(pre_roll, between("unit_count", 5, 5))
    )
    yield strain("blueberry infused pre-roll", "préroulé infusé blueberry", p, infused, "Blueberry")
    yield strain("lemon haze pre-roll", "préroulé lemon haze", p, pre_roll, "Lemon Haze")
    yield strain("cherry pie joint", "joint cherry pie", p, pre_roll, "Cherry Pie")
    yield JudgedPair(
        "seed junky pre-roll", "préroulé seed junky", p, every(by("Seed Junky"), pre_roll)
    )
    yield JudgedPair(
        "Sublime infused joints",
        "joints infusés Sublime",
        p,
        every(by("Sublime"), pre_roll, infused),
    )
    yield JudgedPair(
        "sativa pre-roll",
        "préroulé sativa",
        p,
        every(pre_roll, lambda x: x["strain_type"] in SATIVA),
    )
    yield JudgedPair(
        "pre-roll under $8", "préroulé 8 $ et moins", p, every(pre_roll, between("price", 0, 8))
    )
    yield JudgedPair("strongest pre-roll", "le préroulé le plus fort", p, pre_roll, order=strong)
    yield JudgedPair(
        "non-infused pre-rolls",
        "préroulés non infusés",
        p,
        every(pre_roll, no(infused), no(named("infusé", "infused"))),
    )
    yield JudgedPair(
        "half gram joint",
        "joint demi-gramme",
        p,
        every(pre_roll, between("weight_grams", 0.48, 0.52)),
    )


def _oils_and_capsules() -> Iterator[JudgedPair]:
    o = "oils and capsules"
    yield JudgedPair(
        "cbd oil", "huile de cbd", o, every(oil, with_cbd, named("Oil")), every(oil, with_cbd)
    )
    yield JudgedPair(
        "thc oil",
        "huile de thc",
        o,
        every(oil, named("THC"), named("Oil")),
        every(oil, named("THC")),
    )
    yield JudgedPair("tincture", "teinture", o, every(oil, named("Tincture")))
    yield JudgedPair("1:1 oil", "huile 1:1", o, every(oil, named("1:1")))
    yield JudgedPair("capsules", "gélules", o, capsule)
    yield JudgedPair("cbd capsules", "capsules de CBD", o, every(capsule, with_cbd))
    yield JudgedPair(
        "softgels", "capsules molles softgels", o, every(capsule, named("Softgels")), capsule
    )
    yield JudgedPair("30 capsules", "30 gélules", o, every(capsule, between("unit_count", 30, 30)))
    yield JudgedPair(
        "coconut oil capsules",
        "capsules huile de noix de coco",
        o,
        every(capsule, named("Coconut Oil")),
    )
    yield JudgedPair("farmacann capsules", "capsules Farmacann", o, every(by("Farmacann"), capsule))
    yield JudgedPair("capsules without cbd", "capsules sans cbd", o, every(capsule, no(with_cbd)))
    yield JudgedPair("cheapest oil", "l'huile la moins chère", o, oil, order=price_of)


def _others() -> Iterator[JudgedPair]:
    o = "topicals, seeds and accessories"
    yield JudgedPair("body lotion", "lotion pour le corps", o, every(topical, named("Body Lotion")))
    yield JudgedPair(
        "salve", "onguent", o, every(topical, named("Salve")), every(topical, named("Balm"))
    )
    yield JudgedPair(
        "cbd balm",
        "baume au cbd",
        o,
        every(topical, named("Balm"), with_cbd),
        every(topical, with_cbd),
    )
    yield JudgedPair(
        "bath bomb",
        "bombe de bain",
        o,
        every(topical, named("Bath Bomb")),
        every(topical, named("Bath Salts")),
    )
    yield JudgedPair(
        "lavender topical", "topique à la lavande", o, every(topical, named("Lavender"))
    )
    yield JudgedPair("massage oil", "huile à massage", o, every(topical, named("Massage Oil")))
    yield JudgedPair("seeds", "graines", o, seed)
    yield strain("og kush seeds", "graines og kush", "seeds", seed, "OG Kush")
    yield JudgedPair("cheap seeds", "graines pas chères", o, seed, order=price_of)
    yield JudgedPair("grinder", "moulin", o, every(accessory, named("Grinder")))
    yield JudgedPair(
        "rolling papers", "papier à rouler", o, every(accessory, named("Rolling Papers"))
    )
    yield JudgedPair(
        "king size papers",
        "papier king size",
        o,
        every(accessory, named("King Size")),
        every(accessory, named("Rolling Papers")),
    )
    yield JudgedPair("510 battery", "batterie 510", o, every(accessory, named("510 Battery")))
    yield JudgedPair("lighter", "briquet", o, every(accessory, named("Lighter")))
    yield JudgedPair("bong", "bong en verre", o, every(accessory, named("Bong")))
    yield JudgedPair(
        "pipe under $50",
        "pipe moins de 50 $",
        o,
        every(accessory, named("Pipe"), between("price", 0, 50)),
    )
    yield JudgedPair("hemp wraps", "feuilles de chanvre", o, every(accessory, named("Hemp Wraps")))
    yield JudgedPair(
        "most expensive bong",
        "le bong le plus cher",
        o,
        every(accessory, named("Bong")),
        order=dear,
    )


def judged_lines(products: list[Product]) -> Iterator[dict[str, Any]]:
    """Yield the lines of the queries; raises ValueError for a query without a relevant product."""
    for pair in (*pairs(), *unseen_queries()):
        relevant = pair.grades(products)
        if not relevant:
            raise ValueError(f"no product is relevant for {pair.en or pair.fr!r}")
        for language, q in (("en", pair.en), ("fr", pair.fr)):
            if q:
                yield {
                    "q": q,
                    "language": language,
                    "kind": "judged",
                    "category": pair.category,
                    "split": pair.split,
                    "relevant": relevant,
                }


def sample_products() -> list[Product]:
    """Return the products of the sample catalogue; `sku` is another number where it has none."""
    from catalog.models import Product as ProductRow
    from catalog.models import SupplierListing
    from tests.bench.search_quality import sync_sample_catalogue

    sync_sample_catalogue()
    external_ids = dict(SupplierListing.objects.values_list("merge_key", "external_id"))
    products = list(ProductRow.objects.current().values(*FIELDS, "gtin", "merge_key"))
    for product in products:
        number = product["sku"] or product["gtin"] or external_ids[product["merge_key"]]
        product["sku"] = number
        product |= {name: float(product[name]) for name in NUMBERS if product[name] is not None}
    return products


def main() -> None:
    """Replace the lines of these queries in `queries.jsonl`."""
    existing = [json.loads(line) for line in QUERIES.read_text(encoding="utf-8").splitlines()]
    lines = [line for line in existing if line.get("kind") != "judged"]
    lines += judged_lines(sample_products())
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    QUERIES.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    django.setup()
    main()
