"""From the text of a query to what DuckDB runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import OptimizeError, ParseError, TokenError
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import traverse_scope
from sqlglot.schema import MappingSchema
from sqlglot.tokens import TokenType

from rehearsal.cloud.athena.failure import QueryFailed, not_handled
from rehearsal.cloud.athena.infer import infer
from rehearsal.cloud.athena.rewrite import rewrite
from rehearsal.cloud.athena.types import Type

Columns = Mapping[str, Type]
VIEWS_IN_VIEWS = 10
DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)")


@dataclass(frozen=True, order=True)
class TableName:
    database: str
    table: str

    @property
    def view(self) -> str:
        """The name under which DuckDB knows the table."""
        return f"{self.database}.{self.table}"

    def __str__(self) -> str:
        return f"{self.database}.{self.table}"


@dataclass(frozen=True)
class View:
    """A view of the catalog: its query, and the database whose tables the query may name alone."""

    sql: str
    database: str


@dataclass(frozen=True)
class Translated:
    """A query for DuckDB. scans: the columns read, for each time a table is read. columns: names and Trino types."""

    sql: str
    scans: tuple[tuple[TableName, tuple[str, ...]], ...]
    columns: tuple[tuple[str, Type], ...]


def _no_view(name: TableName) -> View | None:
    return None


def translate(
    text: str,
    database: str | None,
    parameters: list[str],
    columns_of: Callable[[TableName], Columns],
    view_of: Callable[[TableName], View | None] = _no_view,
) -> Translated:
    """Translate one SELECT of Athena SQL. `columns_of` answers with a table's columns or raises QueryFailed.

    `view_of` answers with the view of that name, None for a table. Raises QueryFailed with the reason that Athena would
    give, or NOT_SUPPORTED for SQL that is not handled here.
    """
    query = _named_outputs(_bound(_parse(text), parameters))
    _expand_views(query, database, view_of)
    tables = _tables(query, database)
    _check_having(query)
    schema = MappingSchema(dialect="athena", normalize=False)
    for name in sorted(set(tables)):
        columns = dict(columns_of(name))
        schema.add_table(exp.table_(name.table, db=name.database), columns, dialect="athena", normalize=False)
    try:
        # Without its aliases first: Trino knows none in WHERE and GROUP BY, sqlglot would find them there.
        qualify(query.copy(), schema=schema, dialect="athena", db=database, expand_alias_refs=False)
        query = qualify(query, schema=schema, dialect="athena", db=database)
    except OptimizeError as error:
        raise QueryFailed("COLUMN_NOT_FOUND", str(error)) from error
    scans = _scans(query, columns_of)
    typed = infer(query, schema)
    outputs = tuple((output.alias_or_name, output.type or Type.build("unknown")) for output in typed.selects)
    sql = _renamed(rewrite(typed)).sql(dialect="duckdb")
    return Translated(sql, scans, outputs)


def _parse(text: str) -> exp.Expression:
    try:
        plain = _numbers(text)
        statements = [statement for statement in sqlglot.parse(plain, read="athena") if statement is not None]
    except (ParseError, TokenError) as error:
        raise QueryFailed("SYNTAX_ERROR", str(error).replace("\x1b[4m", "").replace("\x1b[0m", "")) from error
    if len(statements) != 1:
        raise QueryFailed("SYNTAX_ERROR", f"one statement is expected, not {len(statements)}")
    if not isinstance(statements[0], exp.Query):
        raise not_handled(f"{type(statements[0]).__name__.upper()} statements; handled: SELECT")
    return statements[0]


def _numbers(text: str) -> str:
    """Number literals in a form that keeps their types: Athena reads `0.05` as a double and only `DECIMAL '0.05'` as a
    decimal, which sqlglot would take for a cast to decimal without digits after the point.
    """
    tokens = sqlglot.tokenize(text, read="athena")
    out, end = [], 0
    for i, token in enumerate(tokens):
        following = tokens[i + 1] if i + 1 < len(tokens) else None
        if token.token_type == TokenType.NUMBER and "." in token.text and "e" not in token.text.lower():
            out += [text[end : token.start], f"{token.text}e0"]
            end = token.end + 1
        elif token.token_type == TokenType.DECIMAL and following and following.token_type == TokenType.STRING:
            if not DECIMAL.fullmatch(following.text):
                raise QueryFailed("INVALID_LITERAL", f"'{following.text}' is not a valid DECIMAL literal")
            number = following.text if "." in following.text else f"{following.text}."
            out += [text[end : token.start], f"({number})"]
            end = following.end + 1
    return "".join([*out, text[end:]])


def _bound(query: exp.Expression, parameters: list[str]) -> exp.Expression:
    """Execution parameters are SQL literals that take the place of `?`."""
    marks = sorted(query.find_all(exp.Placeholder), key=lambda mark: mark.meta.get("start", 0))
    if len(marks) != len(parameters):
        reason = f"Incorrect number of parameters: expected {len(marks)} but found {len(parameters)}"
        raise QueryFailed("INVALID_PARAMETER_USAGE", reason)
    if len(marks) > 1:
        raise not_handled("queries with several execution parameters")
    for mark, value in zip(marks, parameters, strict=True):
        mark.replace(sqlglot.parse_one(value, read="athena"))
    return query


def _named_outputs(query: exp.Expression) -> exp.Expression:
    """Outputs without a name are `_col0`, `_col1`, … by position."""
    outermost = query
    while isinstance(outermost, exp.SetOperation | exp.Subquery):
        outermost = outermost.this
    for index, output in enumerate(list(outermost.expressions)):
        if not isinstance(output, exp.Alias | exp.Column | exp.Star):
            output.replace(exp.alias_(output.copy(), f"_col{index}"))
    return query


def _check_having(query: exp.Expression) -> None:
    """In HAVING, Trino knows source columns only, but sqlglot would take an output of the same name first."""
    for select in query.find_all(exp.Select):
        having = select.args.get("having")
        outputs = {output.alias: output.this for output in select.selects if isinstance(output, exp.Alias)}
        for column in having.find_all(exp.Column) if having else ():
            output = outputs.get(column.name)
            if column.table or output is None or (isinstance(output, exp.Column) and output.name == column.name):
                continue
            if not (column.find_ancestor(exp.AggFunc) and output.find(exp.AggFunc)):
                raise not_handled(f"the output name {column.name} in HAVING: name the table of the column")


def _tables(query: exp.Expression, database: str | None) -> list[TableName]:
    """Every table of the catalog that the query names, lower-cased as the catalog does."""
    found = []
    for scope in traverse_scope(query):
        for source in scope.sources.values():
            if not isinstance(source, exp.Table):
                continue
            if not isinstance(source.this, exp.Identifier):
                raise not_handled(f"table functions: {source.sql('athena')[:120]}")
            if source.args.get("version") or source.args.get("when"):
                raise not_handled("time travel (FOR VERSION AS OF, FOR TIMESTAMP AS OF)")
            if "$" in source.name:
                raise not_handled(f'metadata tables such as "{source.name}"')
            if source.catalog and source.catalog.lower() != "awsdatacatalog":
                raise QueryFailed("CATALOG_NOT_FOUND", f"Catalog '{source.catalog}' not found")
            within = source.db or database
            if not within:
                raise QueryFailed("MISSING_SCHEMA_NAME", f"no database is given for table {source.name}")
            source.set("catalog", None)
            found.append(TableName(within.lower(), source.name.lower()))
    return found


def _expand_views(
    query: exp.Expression, database: str | None, view_of: Callable[[TableName], View | None], depth: int = 0
) -> None:
    """Puts the query of each view in its place, under the view's name or alias."""
    if depth > VIEWS_IN_VIEWS:
        raise QueryFailed("VIEW_IS_RECURSIVE", f"views refer to views more than {VIEWS_IN_VIEWS} times over")
    for scope in traverse_scope(query):
        for source in list(scope.sources.values()):
            # What is no plain name of this catalog is refused later, with its reason.
            plain = isinstance(source, exp.Table) and isinstance(source.this, exp.Identifier) and "$" not in source.name
            if not plain or (source.catalog and source.catalog.lower() != "awsdatacatalog"):
                continue
            within = source.db or database
            view = view_of(TableName(within.lower(), source.name.lower())) if within else None
            if view is None:
                continue
            inner = _parse(view.sql)
            _expand_views(inner, view.database, view_of, depth + 1)
            for table in inner.find_all(exp.Table):
                if not table.db and table.name not in {cte.alias for cte in inner.find_all(exp.CTE)}:
                    table.set("db", exp.to_identifier(view.database))
            alias = exp.TableAlias(this=exp.to_identifier(source.alias or source.name, quoted=True))
            source.replace(exp.Subquery(this=inner, alias=alias))


def _scans(
    query: exp.Expression, columns_of: Callable[[TableName], Columns]
) -> tuple[tuple[TableName, tuple[str, ...]], ...]:
    """The columns that are read of each table, once for each time the query names it."""
    names: dict[int, TableName] = {}
    used: dict[int, set[str]] = {}
    for scope in traverse_scope(query):
        for alias, source in scope.sources.items():
            if isinstance(source, exp.Table):
                names[id(source)] = TableName(source.db, source.name)
                # Subqueries may use the alias for a table of their own: only columns that exist are read.
                found = {column.name for column in scope.expression.find_all(exp.Column) if column.table == alias}
                used.setdefault(id(source), set()).update(found & set(columns_of(names[id(source)])))
    return tuple((names[key], tuple(sorted(used[key]))) for key in names)


def _renamed(query: exp.Expression) -> exp.Expression:
    """Each table of the catalog by its DuckDB name, still under the alias that qualification gave it."""
    for scope in traverse_scope(query):
        for source in scope.sources.values():
            if isinstance(source, exp.Table) and source.db:
                view = TableName(source.db, source.name).view
                source.set("db", None)
                source.set("this", exp.to_identifier(view, quoted=True))
    return query
