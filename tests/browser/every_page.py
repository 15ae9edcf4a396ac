"""Every page there is, by the name of its route, with an address of the demo; `test_every_route` holds it complete."""

TARGET = "/storefront/production"
HOST = "/hosts/eu-west-a-01"
LONG = 90.0

PAGES = {
    "home": "/",
    "application": "/storefront/",
    "search": "/search?q=store",
    "waiting": "/waiting",
    "locks": "/locks",
    "reservations": "/locks/reservations",
    "environments": "/environments",
    "environment": "/environments/production",
    "calendar": "/environments/staging/calendar",
    "hosts": "/hosts",
    "host": HOST,
    "activity": "/activity",
    "deploy": "/deploys/1",
    "rollback-preview": "/deploys/1/rollback/preview",
    "target": f"{TARGET}/",
    "approvals": f"{TARGET}/approvals",
    "configuration": f"{TARGET}/configuration",
    "task": f"{TARGET}/tasks/warm-cache",
    "new-deploy": f"{TARGET}/deploy?ref=feature/dark-mode",
    "rehearsal": f"{TARGET}/deploy/rehearsal?ref=main",
    "start": "/start",
    "add-application": "/applications/add",
    "connect-application": "/applications/storefront/repository",
    "add-hosts": "/hosts/add",
    "check-hosts": "/environments/production/hosts/check",
    "add-target": "/targets/add",
    "edit-target": f"{TARGET}/edit",
    "edit-tasks": f"{TARGET}/tasks",
    "settings": "/settings",
    "second-factors": "/settings/second-factor",
    "settings-people": "/settings/people",
    "settings-person": "/settings/people/of/ada",
    "settings-teams": "/settings/teams",
    "settings-permissions": "/settings/permissions",
    "settings-tokens": "/settings/tokens",
    "settings-keys": "/settings/keys",
    "settings-environments": "/settings/environments",
    "endpoint-offer": "/settings/environments/staging/endpoints",
    "settings-regions": "/settings/regions",
    "windows": "/settings/windows",
    "settings-sources": "/settings/sources",
    "settings-source": "/settings/sources/of/inventory",
    "add-source": "/settings/sources/add?kind=web",
    "change-source": "/settings/sources/of/inventory/change",
    "settings-stores": "/settings/secret-stores",
    "add-store": "/settings/secret-stores/add?kind=vault",
    "change-store": "/settings/secret-stores/of/passwords",
    "settings-steps": "/settings/steps",
}
# without the frame, for those who are not signed in
DOORS = {"signin": "/signin", "forgotten": "/signin/forgotten", "join": "/join/MQ/spent"}
ERRORS = {"missing": "/hosts/nowhere", "wrong-filter": "/activity?what=nonsense"}
