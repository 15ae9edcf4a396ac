"""One kind of thing that is written down: how it is read, how it lies in the file, and by which verbs it is changed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from django.db.models import Model

from deployments.marked_yaml import Node
from deployments.written.fields import Field, mapping, read_entry
from environments.models import User

Entry = dict[str, Any]  # fields by their names


@dataclass(frozen=True)
class Given:
    """An entry as a file has it, with its place there."""

    entry: Entry
    node: Node


class Section:
    """Subclasses say `name`, `models`, `fields`, `now` and `write`; `remove` where a file may take something away."""

    name: ClassVar[str]
    fields: ClassVar[Mapping[str, Field]] = {}
    models: ClassVar[tuple[type[Model], ...]] = ()  # whose rows it writes down
    ordered: ClassVar[bool] = False  # whether the order of keys in the file means something

    def now(self) -> dict[str, Entry]:
        """What there is, complete, by its key."""
        raise NotImplementedError

    def write(self, key: str, entry: Entry, before: Entry | None, by: User | None) -> None:
        """Make it (`before` is None), or change it, to a complete entry. Raises the errors of its verbs."""
        raise NotImplementedError

    remove: Callable[[str, User | None], None] | None = None

    def order(self, keys: list[str], new: list[str], by: User | None) -> None:
        """Bring them into this order; `new` were made by this plan."""

    def read(self, node: Node) -> dict[str, Given]:
        """What the file says. Raises YamlProblem."""
        return {key: Given(read_entry(value, self.fields), node.keys[key]) for key, value in mapping(node).items()}

    def complete(self, entry: Entry, before: Entry | None) -> Entry:
        """What is not said is as it was; of something new as it usually is."""
        usual = {name: field.usual for name, field in self.fields.items()}
        return usual | (before or {}) | entry

    def missing(self, entry: Entry) -> str:
        """The name of a field without which nothing new can be made; "" if all are there."""
        return next((name for name, field in self.fields.items() if field.required and not entry.get(name)), "")

    def written(self, entries: Mapping[str, Entry]) -> Any:
        """As plain values for a file: what is as usual is left out."""
        return {key: self.shortened(entry) for key, entry in entries.items()}

    def shortened(self, entry: Entry) -> Entry:
        return {name: value for name, value in entry.items() if value != self.fields[name].usual}
