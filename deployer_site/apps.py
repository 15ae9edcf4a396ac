from django.apps import AppConfig


class DeployerSiteConfig(AppConfig):
    name = "deployer_site"
    verbose_name = "The Deployer's wiring"
