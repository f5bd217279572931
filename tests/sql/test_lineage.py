"""Lineage is recorded when things happen, object by object and column by column, and shown as a tree."""

from __future__ import annotations

from everything import Everything


def edges(everything: Everything) -> set[tuple[str, str, str, str]]:
    rows = everything.rows("SELECT from_kind, from_ref, to_kind, to_ref FROM ml.lineage WHERE project = 'shop'")
    return {(row["from_kind"], row["from_ref"], row["to_kind"], row["to_ref"]) for row in rows}


def columns(everything: Everything, ref: str) -> set[tuple[str, str, str, str]]:
    """(kind, reference, column of the source, column) of what the columns of ``ref`` come from."""
    rows = everything.rows(
        f"SELECT from_kind, from_ref, from_column, to_column FROM ml.column_lineage WHERE to_ref = '{ref}'"
    )
    return {(row["from_kind"], row["from_ref"], row["from_column"], row["to_column"]) for row in rows}


def test_from_the_table_to_the_alert_there_is_no_gap(everything: Everything) -> None:
    run = everything.rows("SELECT id FROM ml.runs WHERE name = 'fit'")[0]["id"]
    chain = [
        ("table", "shop.tx", "feature set", "shop.spending@1"),
        ("feature set", "shop.spending@1", "feature vector", "shop.v"),
        ("feature set", "shop.labels@1", "feature vector", "shop.v"),
        ("feature vector", "shop.v", "run", run),
        ("function", "shop.train@1", "run", run),
        ("run", run, "artifact", f"{run}/model"),
        ("artifact", f"{run}/model", "model", "shop.m@1"),
        ("run", run, "model", "shop.m@1"),
        ("feature vector", "shop.v", "model", "shop.m@1"),
        ("model", "shop.m@1", "endpoint", "shop.e"),
        ("endpoint", "shop.e", "prediction log", "shop.e"),
        ("endpoint", "shop.e", "monitor", "shop.watch"),
        ("prediction log", "shop.e", "monitor", "shop.watch"),
        ("table", "shop.tx", "monitor", "shop.watch"),
        ("monitor", "shop.watch", "alert", "shop.late"),
    ]
    assert set(chain) <= edges(everything)


def test_show_lineage_is_a_tree_in_both_directions(everything: Everything) -> None:
    rows = everything.rows("SHOW LINEAGE OF MODEL m@champion")
    shown = [(row["distance"], row["tree"]) for row in rows]
    assert (-1, "<- feature vector shop.v (above)") in shown
    assert any(tree.strip() == "<- table shop.tx" and distance <= -3 for distance, tree in shown)
    assert (1, "-> endpoint shop.e") in shown
    assert (2, "   -> prediction log shop.e") in shown
    assert any(row["kind"] == "alert" and row["ref"] == "shop.late" for row in rows)
    assert [row["distance"] < 0 for row in rows] == sorted((row["distance"] < 0 for row in rows), reverse=True)


def test_a_run_is_found_by_its_name_and_a_table_is_not_a_set(everything: Everything) -> None:
    kinds = {row["kind"] for row in everything.rows("SHOW LINEAGE OF RUN fit")}
    assert {"function", "feature vector", "artifact", "model", "endpoint"} <= kinds
    assert {row["kind"] for row in everything.rows("SHOW LINEAGE OF FUNCTION train")} >= {"run", "model"}


def test_an_endpoint_that_follows_an_alias_is_linked_to_the_new_version(everything: Everything) -> None:
    everything.run("CREATE MODEL followed FROM 'model.onnx' INPUT (spent DOUBLE) ALIAS live")
    everything.run("CREATE ENDPOINT following USING MODEL followed@live")
    everything.run("CREATE MODEL followed FROM MODEL m@1")
    everything.run("ALTER MODEL followed SET ALIAS live = 2")
    everything.house.catalog.write(lambda cursor: None)
    found = edges(everything)
    assert {("model", f"shop.followed@{version}", "endpoint", "shop.following") for version in (1, 2)} <= found


def test_columns_of_features_vectors_and_models(everything: Everything) -> None:
    assert columns(everything, "shop.spending@1") == {
        ("table", "shop.tx", "client", "client"),
        ("table", "shop.tx", "ts", "ts"),
        ("table", "shop.tx", "amount", "amount"),
        ("table", "shop.tx", "amount", "spent"),  # the aggregate
    }
    assert columns(everything, "shop.v") == {
        ("feature set", "shop.spending@1", "spent", "spent"),
        ("feature set", "shop.labels@1", "late", "late"),
    }
    assert columns(everything, "shop.m@1") == {("feature vector", "shop.v", "spent", "spent")}


def test_columns_through_ctes_joins_stars_and_windows(everything: Everything) -> None:
    (everything.folder / "cities.csv").write_text("client,city,score\n1,Bern,0.5\n2,Genf,0.7\n")
    everything.run(
        "CREATE FEATURE SET traced (ENTITY client, TIMESTAMP ts) AS "
        "WITH doubled AS (SELECT *, amount * 2 AS twice FROM tx), "
        f"cities AS (SELECT * FROM read_csv('{everything.folder}/cities.csv')) "
        "SELECT d.client, d.ts, d.twice + c.score AS mixed, sum(d.twice) OVER (PARTITION BY c.city) AS total, "
        "(SELECT max(spent) FROM spending) AS most, c.* EXCLUDE (client) "
        "FROM doubled d JOIN cities c USING (client)"
    )
    found = columns(everything, "shop.traced@1")
    path = f"{everything.folder}/cities.csv"
    assert ("table", "shop.tx", "amount", "mixed") in found
    assert ("file", path, "score", "mixed") in found
    assert {entry[:3] for entry in found if entry[3] == "total"} == {
        ("table", "shop.tx", "amount"),
        ("file", path, "city"),
    }
    assert {entry[:3] for entry in found if entry[3] == "most"} == {("feature set", "shop.spending@1", "spent")}
    assert ("file", path, "city", "city") in found
    assert ("table", "shop.tx", "ts", "ts") in found


def test_what_cannot_be_traced_is_made_all_the_same(everything: Everything) -> None:
    everything.run(
        "CREATE FEATURE SET untraced (ENTITY client, TIMESTAMP ts) AS "
        "FROM (PIVOT (SELECT client, ts, amount, client % 2 AS odd FROM tx) ON odd USING sum(amount) "
        "GROUP BY client, ts)"
    )
    assert everything.rows("SELECT count(*) AS n FROM untraced")[0]["n"] == 50
    assert ("table", "shop.tx", "feature set", "shop.untraced@1") in edges(everything)
