"""`manage.py presets`: what steps there are ready-made, with their parameters, as Markdown."""

from typing import Any

from django.core.management.base import BaseCommand

from environments import preset_docs


class Command(BaseCommand):
    help = "Print the documentation of every preset for steps, as docs/steps.md has it."

    def handle(self, **options: Any) -> None:
        self.stdout.write(preset_docs.as_markdown())
