"""Many rows in one statement without a model instance or a parameter for each: that is what thousands of hosts cost."""

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import AutoField, BigAutoField, ForeignKey, Lookup, Model, QuerySet
from django.db.models.base import ModelState

Row = TypeVar("Row", bound=Model)

MOST_VALUES = 900  # SQLite takes 999 in one statement


class Among(Lookup[str]):
    """`pk__among={1, 2}`: as `__in` for ids, which are written into the statement, for they are whole numbers.

    Give it anything but a list or tuple: of those Django looks at each element by itself.
    """

    lookup_name = "among"

    def get_prep_lookup(self) -> str:
        return ",".join(str(int(one)) for one in self.rhs)

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        left, params = self.process_lhs(compiler, connection)
        return f"{left} IN ({self.rhs or 'NULL'})", tuple(params)


for _field in (AutoField, BigAutoField, ForeignKey):
    _field.register_lookup(Among)


def ids_of(rows: Iterable[Model]) -> frozenset[int]:
    """What `among` takes. By `id`, as all these models call it: `pk` is looked up anew for each row."""
    return frozenset(row.id for row in rows)  # type: ignore[attr-defined]


def instances(model: type[Row], columns: Sequence[str], rows: Iterable[Sequence[Any]], **known: Any) -> list[Row]:
    """Stored `rows` as instances, without what `Model.__init__` costs; other fields are read when they are asked for.

    `known` are related objects that are the same for all of them.
    """
    made = []
    for row in rows:
        one = model.__new__(model)
        one.__dict__.update(zip(columns, row, strict=True))
        one._state = state = ModelState()
        state.db, state.adding, state.fields_cache = DEFAULT_DB_ALIAS, False, dict(known)
        made.append(one)
    return made


def read(rows: QuerySet[Row], *, without: Container[str] = (), **known: Any) -> list[Row]:
    """The rows of a query as such instances, but for some columns."""
    columns = [field.attname for field in rows.model._meta.concrete_fields if field.attname not in without]
    return instances(rows.model, columns, rows.values_list(*columns), **known)


def insert(
    model: type[Model], columns: Sequence[str], rows: Sequence[Sequence[Any]], returning: Sequence[str] = ()
) -> list[tuple[Any, ...]]:
    """Store `rows`, values of these columns as the database takes them; the answer has the columns of `returning`."""
    quote = connection.ops.quote_name
    begin = f"INSERT INTO {quote(model._meta.db_table)} ({', '.join(map(quote, columns))}) VALUES "
    end = f" RETURNING {', '.join(map(quote, returning))}" if returning else ""
    row = "(" + ", ".join(["%s"] * len(columns)) + ")"
    most = MOST_VALUES // len(columns)
    answer: list[tuple[Any, ...]] = []
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite" and not returning:
            cursor.executemany(f"{begin}{row}", rows)
            return answer
        for start in range(0, len(rows), most):
            some = rows[start : start + most]
            cursor.execute(f"{begin}{', '.join([row] * len(some))}{end}", [value for one in some for value in one])
            if returning:
                answer += cursor.fetchall()
    return answer


def as_stored(model: type[Model], name: str, value: Any) -> Any:
    """What `insert` takes for a column whose values are no plain ones, as JSON."""
    return model._meta.get_field(name).get_db_prep_save(value, connection)  # type: ignore[union-attr]


def insert_from(model: type[Model], source: QuerySet[Any], facts: Mapping[str, Any]) -> None:
    """A row for each of `source`, made in the database: `facts` are columns and expressions. What exists stays."""
    quote = connection.ops.quote_name
    query = source.order_by().annotate(**{f"_{name}": fact for name, fact in facts.items()})
    select, params = query.values_list(*(f"_{name}" for name in facts)).query.sql_with_params()
    columns = ", ".join(map(quote, facts))
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {quote(model._meta.db_table)} ({columns}) {select} ON CONFLICT DO NOTHING", params)
