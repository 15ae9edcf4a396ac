"""How the pricing API came about, with a branch that is sound and one with an impossible price."""

from environments.demo.history import Commit, Edit, Take
from environments.demo.team import AMINA, BRUNO, CARLA, DEV, ELIF

PRICES, SERVER, SMOKE = "prices.json", "serve.py", "bin/smoke"
CURRENCIES, DISCOUNTS = "feature/currencies", "feature/volume-discounts"

CURRENCY_PAGE = '''

def currencies() -> Answer:
    """What our prices can be shown in."""
    return HTTPStatus.OK, "application/json", json.dumps(["EUR"]) + "\\n"
'''

OVERVIEW = '    """What this service is, and how many prices it knows."""\n'

COMMITS = (
    Commit(ELIF, 41.0, "Answer what things cost", (Take(SERVER), Take(PRICES), Take("README.md"))),
    Commit(DEV, 38.4, "Refuse an impossible price before it goes live", (Take("bin/check-prices"),)),
    Commit(ELIF, 36.8, "Check every host after the switch", (Take(SMOKE),)),
    Commit(BRUNO, 34.6, "Write price changes down", (Take("bin/migrate"), Take("migrations/0001_price_log.sh"))),
    Commit(AMINA, 33.5, "Mugs are cheaper now", (Edit(PRICES, "1250", "1190"),), tag="v1.0"),
    Commit(
        CARLA, 28.6, "Add the red mug", (Edit(PRICES, '"mug, blue": 1190', '"mug, blue": 1190,\n  "mug, red": 1190'),)
    ),
    Commit(BRUNO, 25.2, "Name the columns of the price log", (Take("migrations/0002_price_log_header.sh"),)),
    Commit(
        DEV,
        22.7,
        "Let more clients wait in line\n\nThe storefront opens 80 connections when it starts.",
        (Edit(SERVER, "request_queue_size = 64", "request_queue_size = 128"),),
    ),
    Commit(AMINA, 20.3, "Coffee got more expensive", (Edit(PRICES, "549", "579"), Edit(PRICES, "1890", "1990"))),
    Commit(
        ELIF,
        17.9,
        "Sort the prices we answer",
        (Edit(SERVER, "json.dumps(read_prices(), indent=2)", "json.dumps(read_prices(), indent=2, sort_keys=True)"),),
        tag="v1.1",
    ),
    Commit(
        CARLA, 14.4, "Wait less for a host that does not answer", (Edit(SMOKE, "PATIENCE = 8.0", "PATIENCE = 6.0"),)
    ),
    Commit(
        DEV,
        11.8,
        "Say in the overview that prices are in cents",
        (Edit(SERVER, '"prices": len(read_prices()),', '"prices": len(read_prices()),\n        "unit": "cents",'),),
    ),
    Commit(
        AMINA,
        9.0,
        "Add tea, which customers asked for",
        (Edit(PRICES, '"mug, blue"', '"tea, black, 50 bags": 329,\n  "mug, blue"'),),
    ),
    Commit(
        BRUNO,
        7.1,
        "Describe the steps of a release",
        (Edit("README.md", "`bin/check-prices` runs", "The price list is part of a release. `bin/check-prices` runs"),),
        tag="v1.2",
    ),
    Commit(ELIF, 5.3, "Close slow connections earlier", (Edit(SERVER, "    timeout = 10", "    timeout = 5"),)),
    Commit(
        CARLA,
        3.2,
        "Filter papers come in packs of 100 now",
        (Edit(PRICES, '"filter papers, 80": 219', '"filter papers, 100": 249'),),
    ),
    Commit(
        DEV,
        1.4,
        "Count prices once in the overview",
        (
            Edit(SERVER, OVERVIEW, OVERVIEW + "    known = read_prices()\n"),
            Edit(SERVER, "len(read_prices()),", "len(known),"),
        ),
    ),
    Commit(
        AMINA,
        2.0,
        "List the currencies we can show",
        (
            Edit(SERVER, "\n\nPAGES", CURRENCY_PAGE + "\n\nPAGES"),
            Edit(SERVER, '"/prices": prices}', '"/prices": prices, "/currencies": currencies}'),
        ),
        CURRENCIES,
        "v1.2",
    ),
    Commit(AMINA, 0.5, "Show dollars too", (Edit(SERVER, '["EUR"]', '["EUR", "USD"]'),), CURRENCIES),
    Commit(BRUNO, 0.4, "Give a discount on a kilo of coffee", (Edit(PRICES, "1990", "-199"),), DISCOUNTS, "main"),
)
