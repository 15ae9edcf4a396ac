"""How the storefront came about, with branches that go well, fail on some hosts, and answer 500."""

from environments.demo.history import Commit, Edit, Put, Take
from environments.demo.team import AMINA, BRUNO, CARLA, DEV, ELIF

HOME, CSS, SERVER, COMPILE = "templates/home.html", "static/site.css", "serve.py", "bin/compile-assets"
DARK, PICTURES, GIFTS = "feature/dark-mode", "fix/product-pictures", "feature/gift-cards"

PRODUCTS = """<h2>This week</h2>
<ul class="products">
<li>Coffee, ground, 250 g</li>
<li>Mug, blue</li>
<li>Filter papers, 80</li>
</ul>
<dl>"""

DARK_STYLES = """
@media (prefers-color-scheme: dark) {
  body {
    color: #eeeeee;
    background: #16161d;
  }
}
"""

NEEDS_LIBVIPS = """
# AVIF pictures need libvips 8.15; the machine image lists what a host has.
needed=8.15
found=$(sed -n 's/^libvips //p' "$HOME/.image" 2>/dev/null || true)
echo "${cyan}check${plain}   libvips $needed or later: found ${found:-none}"
oldest=$(printf '%s\\n%s\\n' "$needed" "${found:-0}" | sort -t. -k1,1n -k2,2n | head -n 1)
if [ "$oldest" != "$needed" ]; then
  zone=$(sed -n 's/^zone //p' "$HOME/.image" 2>/dev/null || true)
  echo "compile-assets: ${DEMO_HOST:-this host} has libvips ${found:-none}, AVIF pictures need $needed." >&2
  echo "compile-assets: renew the machine image of zone ${zone:-unknown}, then retry its hosts." >&2
  exit 1
fi
"""

GIFT_CARDS = '''

def gift_cards() -> str:
    """The corner of the home page that offers gift cards."""
    return read("templates", "gift-cards.html")
'''

COMMITS = (
    Commit(
        AMINA,
        34.1,
        "Start the storefront: one page and its version",
        (Take(SERVER), Take(HOME), Take(CSS), Take("README.md")),
    ),
    Commit(BRUNO, 32.9, "Compile the style sheets before a release goes live", (Take(COMPILE),)),
    Commit(
        CARLA,
        31.7,
        "Check every host after the switch\n\nbin/smoke asks for /version and for the home page, and fails when the\n"
        "host still serves the release before.",
        (Take("bin/smoke"),),
    ),
    Commit(
        ELIF,
        30.6,
        "Create the table of products",
        (Take("bin/migrate"), Take("migrations/0001_products.sql"), Take("migrations/0001_products.down.sql")),
    ),
    Commit(DEV, 30.0, "Warm the cache after a release", (Take("bin/warm-cache"),)),
    Commit(DEV, 29.2, "Show what is on offer this week", (Edit(HOME, "<dl>", PRODUCTS),), tag="v1.0"),
    Commit(AMINA, 26.3, "Use the colours of our brand", (Edit(CSS, "color: #222222;", "color: #2e282a;"),)),
    Commit(
        BRUNO,
        24.0,
        "Fix the width on small screens\n\nThe column was wider than a phone, so prices were cut off.",
        (Edit(CSS, "width: 40rem;", "max-width: 40rem;\n  padding: 0 1rem;"),),
    ),
    Commit(
        CARLA,
        21.8,
        "Add the paper bag as a logo",
        (
            Take("static/logo.svg"),
            Edit(SERVER, 'PAGES = {"/": home,', 'PAGES = {"/": home, "/logo.svg": logo,'),
            Edit(
                SERVER,
                "\n\nPAGES",
                '\n\ndef logo() -> Answer:\n    """Our paper bag."""\n    '
                'return OK, "image/svg+xml", read("static", "logo.svg")\n\n\nPAGES',
            ),
            Edit(HOME, "<h1>", '<img src="/logo.svg" alt="">\n<h1>'),
        ),
        tag="v1.1",
    ),
    Commit(
        ELIF,
        19.5,
        "Keep the currency of each price",
        (Take("migrations/0002_currency.sql"), Take("migrations/0002_currency.down.sql")),
    ),
    Commit(
        ELIF,
        18.2,
        "Show prices with their currency",
        (
            Edit(HOME, "250 g</li>", "250 g: 5.49 EUR</li>"),
            Edit(HOME, "blue</li>", "blue: 12.50 EUR</li>"),
            Edit(HOME, "80</li>", "80: 2.19 EUR</li>"),
        ),
    ),
    Commit(
        AMINA,
        13.1,
        "Say since when the server runs",
        (Edit(HOME, "</dl>", "<dt>Started</dt><dd>$started</dd>\n</dl>"),),
    ),
    Commit(
        BRUNO,
        10.4,
        "Let more customers wait in line when a release starts",
        (Edit(SERVER, "request_queue_size = 64", "request_queue_size = 128"),),
    ),
    Commit(
        CARLA,
        8.3,
        "Underline links only when the mouse is over them",
        (Edit(CSS, "dt {", "a {\n  text-decoration: none;\n}\n\na:hover {\n  text-decoration: underline;\n}\n\ndt {"),),
    ),
    Commit(
        DEV, 6.2, "Name the shop in the title", (Edit(HOME, "<title>$application", "<title>Paper Bag"),), tag="v1.2"
    ),
    Commit(
        ELIF,
        4.6,
        "Give the definition list some air",
        (Edit(CSS, "font-weight: 600;", "font-weight: 600;\n  margin-top: 1em;"),),
    ),
    Commit(AMINA, 2.9, "Greet at every time of day", (Edit(HOME, "Good morning!", "Welcome!"),)),
    Commit(
        BRUNO,
        1.7,
        "Close slow connections earlier\n\nTen seconds let a few robots hold most of our threads.",
        (Edit(SERVER, "    timeout = 10", "    timeout = 5"),),
    ),
    Commit(
        CARLA,
        0.9,
        "Round the corners of the logo's bag",
        (Edit("static/logo.svg", "M6 10h20l2 18H4z", "M6 10h20l2 17q0 1-1 1H5q-1 0-1-1z"),),
    ),
    Commit(
        DEV, 2.2, "Follow the browser's dark mode", (Edit(CSS, "dt {", DARK_STYLES.lstrip() + "\ndt {"),), DARK, "v1.2"
    ),
    Commit(DEV, 0.8, "Make the dark background a little lighter", (Edit(CSS, "#16161d", "#1d1d26"),), DARK),
    Commit(
        BRUNO,
        0.7,
        "Serve product pictures as AVIF\n\nHalf the bytes; the hosts need libvips 8.15 to make them.",
        (Edit(COMPILE, "\nmkdir -p", NEEDS_LIBVIPS + "\nmkdir -p"),),
        PICTURES,
        "main",
    ),
    Commit(
        ELIF,
        0.6,
        "Offer gift cards on the home page",
        (
            Edit(SERVER, "\n\nPAGES", GIFT_CARDS + "\n\nPAGES"),
            Edit(SERVER, '"started": STARTED,', '"started": STARTED,\n        "gift_cards": gift_cards(),'),
        ),
        GIFTS,
        "main",
    ),
    Commit(
        ELIF,
        0.3,
        "Explain gift cards to our support team",
        (Put("docs/gift-cards.md", "# Gift cards\n\nA gift card is worth 10, 25 or 50 EUR for three years.\n"),),
        GIFTS,
    ),
)
