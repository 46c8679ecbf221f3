"""
Vocabulary of price texts in English and French: lower case, without accents.

Each entry is a regular expression of whole words. Earlier entries win; numbers that an entry
covers are no prices.
"""

_UNIT = (
    r"(?:mg|mcg|kg|gr?|grams?|grammes?|ml|cl|l|litres?|liters?|fl\.? ?oz|oz|ounces?|onces?|lbs?"
    r"|cm|mm|inch(?:es)?)"
)
_COUNTED = (
    r"(?:packs?|pks?|ct|count|pcs?|pieces?|units?|unites?|capsules?|caps|gummies|softgels?|joints?"
    r"|pre-?rolls?|preroules?|cartridges?|cartouches?|cans?|canettes?|bottles?|bouteilles?"
    r"|tablets?|comprimes?|seeds?|graines?|bags?|sachets?|left|in stock|available|en stock"
    r"|disponibles?|restante?s?|sold|vendus?|points?|pts|people|days?|jours?|hours?|heures?|min"
    r"|minutes|puffs?|reviews?|ratings?|avis|evaluations?|votes?|commentaires?|stars?|etoiles?)"
)
_MONTH = (
    r"(?:jan(?:uary|vier)?|feb(?:ruary)?|fev(?:rier)?|mar(?:ch|s)?|apr(?:il)?|avr(?:il)?|may|mai"
    r"|june?|juin|july?|juil(?:let)?|aug(?:ust)?|aout|sep(?:t(?:ember|embre)?)?|oct(?:ober|obre)?"
    r"|nov(?:ember|embre)?|dec(?:ember|embre)?)\.?"
)
_PLAIN = r"(?:(?:\d{1,3}(?: \d{3})+(?!\d)|\d+)(?:[.,]\d+)?|[.,]\d+)"
_NO_MONEY_BEFORE = r"(?<![\w.,'$€£-])"
# "3 $25" is three of something and 25 dollars; "3 $" is three dollars.
_NO_MONEY_AFTER = r"(?![\w'$€£]|[.,]\d| [$€£](?!\d)| (?:cad|cdn|usd|dollars?)\b)"

FIGURES: tuple[tuple[str, str], ...] = (
    (
        "other",
        # Telephone numbers, dates, times.
        rf"(?<![\d$])(?:\+?1[-. ])?(?:\(\d{{3}}\) ?|\d{{3}}[-. ])\d{{3}}[-. ]\d{{4}}(?!\d)"
        rf"|{_NO_MONEY_BEFORE}(?:\d{{4}}-\d{{2}}-\d{{2}}|\d{{1,2}}[/.]\d{{1,2}}[/.]\d{{4}}"
        rf"|\d{{1,2}}/\d{{1,2}}/\d{{2}}|\d{{4}}/\d{{2}}/\d{{2}}"
        rf"|\d{{1,2}}:\d{{2}}(?: ?[ap]\.?m\.?)?|\d{{1,2}} ?h ?\d{{2}}){_NO_MONEY_AFTER}"
        rf"|(?<!\w){_MONTH} \d{{1,2}}(?:st|nd|rd|th)?(?:,? 20\d\d)?{_NO_MONEY_AFTER}"
        rf"|{_NO_MONEY_BEFORE}\d{{1,2}}(?:er|st|nd|rd|th)? {_MONTH}(?: 20\d\d)?{_NO_MONEY_AFTER}",
    ),
    (
        "discount",
        r"(?<![\w.,'$€£])-? ?\d+(?:[.,]\d+)? ?%"
        r" ?(?:off|de rabais|de reduction|rabais|discount|savings)(?!\w)",
    ),
    ("discount", r"(?<![\w.,'$€£])- ?\d+(?:[.,]\d+)? ?%|(?<!\w)(?:save|economisez) \d+ ?%"),
    (
        "other",
        # Percentages, ratings.
        rf"{_NO_MONEY_BEFORE}\d+(?:[.,]\d+)? ?%?(?: ?(?:-|to|a) ?\d+(?:[.,]\d+)?)? ?%"
        rf"|{_NO_MONEY_BEFORE}\d(?:[.,]\d+)? ?(?:/|out of|sur) ?(?:5|10){_NO_MONEY_AFTER}"
        rf"|★+ ?\d(?:[.,]\d+)?{_NO_MONEY_AFTER}"
        rf"|{_NO_MONEY_BEFORE}\d(?:[.,]\d+)? (?:stars?|etoiles?)(?!\w)"
        rf"|(?<!\w)(?:rat(?:ing|ed)|note) ?:? ?\d(?:[.,]\d+)?{_NO_MONEY_AFTER}"
        rf"|{_NO_MONEY_BEFORE}\d(?:[.,]\d+)? ?★+"
        r"|\(\d{1,3}(?:,\d{3})?\)",
    ),
    ("other", rf"{_NO_MONEY_BEFORE}{_PLAIN} ?mg ?/ ?(?:g|ml)(?![\w'])"),
    (
        "measure",
        rf"{_NO_MONEY_BEFORE}(?:\d+ ?[x×*] ?)?(?:1/\d{{1,2}}|{_PLAIN}) ?{_UNIT}(?![\w'])"
        rf"(?: ?[x×] ?\d+{_NO_MONEY_AFTER})?",
    ),
    (
        "other",
        # Counts and codes.
        rf"{_NO_MONEY_BEFORE}\d+[ -]?{_COUNTED}(?![\w'])"
        rf"|(?<!\w)(?:packs?|paquets?|lots?|box|boite|stock|limite?)"
        rf" ?(?:of|de|:)? ?\d+{_NO_MONEY_AFTER}"
        # Beside a quantity above one, the amount may be that of all pieces.
        rf"|(?<!\w)(?:qty|quantity|quantite|qte)\.? ?:? ?1{_NO_MONEY_AFTER}"
        rf"|(?<!\w)(?<!promo )(?<!coupon )"
        r"(?:gtin|upc|ean|cup|sku|plu|code|item|id|ref|model|batch)(?!\w)"
        rf" ?(?:#|no\.?|:)? ?[a-z-]*\d[\w-]*{_NO_MONEY_AFTER}"
        rf"|(?:#|(?<!\w)no\.? )\d+{_NO_MONEY_AFTER}"
        rf"|{_NO_MONEY_BEFORE}\d{{8,14}}{_NO_MONEY_AFTER}",
    ),
    (
        "payment",
        r"(?<![\w.,'$])(?:\d{1,2} )?(?:interest-free |equal |bi-?weekly )?"
        r"(?:payments?|installments?|versements?|paiements?) (?:of|de)(?!\w)",
    ),
    (
        "promotion",
        r"(?<!\w)buy \d+,? get \d+(?: free| half price| \d+ ?% off)?(?!\w)"
        r"|(?<!\w)achetez(?:-en)? \d+,? (?:obtenez|recevez)(?:-en)? \d+(?: gratuit(?:e|ement)?)?"
        r"(?!\w)|(?<!\w)bogo(?!\w)"
        rf"|(?<![\w.,'$])\d (?:for|pour) 1{_NO_MONEY_AFTER}",
    ),
    (
        "multi_buy",
        r"(?<![\w.,'$€£/-])(?P<quantity>[1-9]|1[0-2])(?: items?| units?| pre-?rolls?)?"
        r" ?(?:for|pour|/) ?(?=(?:(?:us|cad?|cdn|c) ?)?\$? ?\d)",
    ),
)
_EXTRA = r"(?:deposit|consigne|depot|eco ?-?fees?|ecofrais|shipping|delivery|livraison)"
_DAY = r"(?:mon|tues?|wed|thu(?:rs?)?|fri|sat|sun|lun|mar|mer|jeu|ven|sam|dim)\.?"
_NUMBER_WORD = r"(?:two|three|four|five|six|deux|trois|quatre|cinq)"
EACH = frozenset({"each", "ea", "ea.", "chacun", "chacune", "ch", "ch.", "l'unite"})
"""Words after the price of one of several."""
_TAX = r"(?:taxe?s?|tx|gst|hst|pst|qst|tps|tvq|tvh)"
ADDED_TAX = rf"\+ ?(?:applicable |les )?{_TAX}(?: ?[/&] ?{_TAX})?(?![\w'])"
WORDS: tuple[tuple[str, str], ...] = (
    (
        "tax_out",
        r"(?:plus|excl(?:\.|uding|udes|uant)?|before|without|not including|hors|avant|sans)"
        rf" (?:applicable |les )?{_TAX}"
        rf"|{_TAX} (?:en sus|en plus|extra|not included|non comprises|non incluses"
        r"|excluded|exclues|excl\.?|additional|applicables?|calculated at checkout)|ht",
    ),
    (
        "tax_in",
        rf"(?:toutes )?{_TAX}(?: |-)(?:incl(?:uses?|uded|usive)?\.?|inc\.?|comprises?|in)"
        r"|(?:incl(?:\.|uding|udes|usive of|uant)?|with|avec) (?:all )?(?:sales )?(?:taxe?s?|tx)"
        r"|ttc",
    ),
    (
        "fee",
        r"(?:refundable |bottle |can )?deposit|consigne|depot|eco ?-?fees?|ecofrais|fees?"
        r"|frais(?: de livraison)?|free (?:shipping|delivery|pick-?up|returns?)|shipping|delivery"
        r"|livraison(?: gratuite)?|cueillette gratuite|handling|taxe?s?|tx|gst|hst|pst|qst|tps"
        r"|tvq|tvh|min(?:\.|imum)? (?:order|purchase|spend)"
        r"|orders?|commandes?|purchases?|achats?|spend|gift card",
    ),
    (
        "discount_left",
        r"you saved?|saved?|vous economisez|economisez|epargnez|rabais de|reduction de",
    ),
    ("discount_right", r"off|de rabais|de reduction|savings|d'economies?"),
    ("discount", r"rabais|reduction|economies?|coupon|discount|rebate"),
    (
        "several",
        r"from|start(?:s|ing)?(?: at| from| price)?|more (?:for|to)|(?:as )?low as"
        r"|a partir de|a compter de|up to"
        r"|jusqu'a|between|entre|approx(?:imately)?|about|environ|around|over|under|above|below"
        r"|less than|more than|moins de|plus de|at least|au moins|minimum|maximum|and up|et plus"
        r"|or more|ou plus|or less|ou moins|through|estimated?|estime|average|moyenne?"
        r"|(?:per |a |par |/ ?)?(?:months?|mo|mois|week|semaine)|monthly|weekly|rent(?:al)?|bid"
        r"|lowest|highest|(?:sub)?total|sous-total"
        r"|max\.?|est\.|min\.?|up",
    ),
    (
        "condition",
        r"(?:with|w/|use|using|via|avec) (?:(?:the|an?|any|your|our|une?|la|le|votre|notre|loyalty"
        r"|free|promo) ){0,2}(?:promo(?:tion)?|promo ?code|code|coupon|membership|card|subscription"
        r"|rewards?|account|app|points?|rebate|trade-?in|carte|adhesion|abonnement|compte)"
        r"|(?:with|w/|avec)(?= [$€£])"
        rf"|(?:incl(?:\.|uding|udes|uded|uant|ut)?|with|w/|avec) (?:the |la |le )?{_EXTRA}"
        rf"|incl(?:\.|uding|udes|uant|ut)?(?= \$? ?[\d.,]+ ?\$? (?:de |bottle )?{_EXTRA}(?!\w))"
        rf"|{_EXTRA} (?:included|inclus(?:es?)?|incl\.?|comprise?s?)"
        r"|(?:when|if|si|lorsque) (?:you|vous|buying|purchasing|ordering)|lors de l'achat"
        r"|(?:for |pour )?(?:both|les deux)|pair|paire"
        r"|week-?(?:days?|ends?)|fins? de semaine|early bird"
        rf"|{_DAY} ?(?:-|to|through|a) ?{_DAY}"
        r"|patients?|first[- ]time(?: customers?)?|new customers?|nouveaux clients|industry"
        r"|insiders?|app[- ](?:only|price)|(?:pick-?up|delivery) (?:only|price)"
        r"|(?:promo|coupon) ?codes?|code promo|auto-?ship|subscri(?:be|ption)|abonnement"
        r"|store credit|amount due|competitors?'?s? price"
        r"|with (?:any |every |a )?(?:purchase|order)|when you buy|a l'achat|avec (?:tout )?achat"
        rf"|{_NUMBER_WORD} (?:for|pour)|(?:for|pour) {_NUMBER_WORD}"
        r"|students?|seniors?|medical|staff|employees?|veterans?|etudiante?s?|aines?|employes?"
        r"|(?:mon|tues|wednes|thurs|fri|satur|sun)days?|lundis?|mardis?|mercredis?|jeudis?"
        r"|vendredis?|samedis?|dimanches?|happy hour|cash|comptant|win|gagnez|wholesale|gros",
    ),
    (
        "member",
        r"(?:for )?(?:club |our )?members?'?s?(?: only)?(?: prices?| pricing)?|loyalty(?: price)?"
        r"|vip(?: price)?|club price|rewards? price|prix (?:des? |pour (?:les )?)?membres?"
        r"|(?:pour (?:les )?)?membres?(?: seulement)?|prix club",
    ),
    (
        "former",
        r"suggested(?: retail)?(?: price)?|worth"
        r"|was|were|orig(?:inal(?:ly)?|\.)?(?: price)?(?: was)?|compared? at(?: price)?|old price"
        r"|before|instead of|down from|reduced from|msrp|srp|rrp|list price|value|avant|etait"
        r"|prix (?:d'origine|original|initial|de detail suggere)|ancien(?:nement)?(?: prix)?"
        r"|au lieu de|valeur|pdsf",
    ),
    (
        "regular",
        r"regular(?:ly)?(?: price)?|reg\.?(?: price)?|prix reg(?:ulier|\.)?|regulier"
        r"|prix (?:courant|habituel)",
    ),
    (
        "sale",
        r"(?:prices? )?now(?: only)?|sale(?: price)?|on sale(?: for)?|specials?(?: price)?"
        r"|promo(?:tion)?|current price(?: is)?|reduced to|clearance|en solde|soldes?"
        r"|prix (?:solde|special|promo(?:tionnel)?|reduit|actuel|de vente)|maintenant|liquidation",
    ),
    ("unit_price", r"unit price|prix (?:unitaire|a l'unite)"),
    ("price", r"(?:our |final )?price|(?:notre )?prix|cost|cout"),
    (
        "neutral",
        r"only|just|seulement|is|at|in|en|to|a|for|of|de|pour|priced|each|ea\.?|chacune?|ch\.?|l'unite"
        r"|per item|or|and|ou|et|the|le|la|est",
    ),
    (
        "no_price",
        r"free|gratuite?s?|call|appelez|contactez|contact|tbd|tba|n/?a|price on request"
        r"|sur demande|log ?in|sign in|connectez-vous",
    ),
)
PER = r"/|per|par|le|la|du|the|an?"
"""Words between a price and its unit."""
UNITS = {
    **dict.fromkeys(("g", "gr", "gram", "grams", "gramme", "grammes"), "g"),
    **dict.fromkeys(("mg",), "mg"),
    **dict.fromkeys(("ml",), "ml"),
    **dict.fromkeys(("l", "litre", "liter"), "l"),
    **dict.fromkeys(("kg",), "kg"),
    **dict.fromkeys(("oz", "ounce", "once"), "oz"),
    **dict.fromkeys(
        (
            "unit",
            "unite",
            "piece",
            "pc",
            "capsule",
            "joint",
            "pre-roll",
            "preroll",
            "can",
            "bottle",
        ),
        "unit",
    ),
}
"""Unit of a unit price by word."""
CURRENCIES = {
    "$": "CAD",
    "ca": "CAD",
    "can": "CAD",
    "c": "CAD",
    "cad": "CAD",
    "cdn": "CAD",
    "dollar": "CAD",
    "dollars": "CAD",
    "us": "USD",
    "usd": "USD",
    "u.s.": "USD",
    "au": "AUD",
    "a": "AUD",
    "aud": "AUD",
    "nz": "NZD",
    "mx": "MXN",
    "hk": "HKD",
    "€": "EUR",
    "eur": "EUR",
    "euro": "EUR",
    "euros": "EUR",
    "£": "GBP",
    "gbp": "GBP",
}
"""Currency codes by sign or word; a dollar sign alone is Canadian."""
