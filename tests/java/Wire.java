import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Timestamp;
import java.util.Properties;
import java.util.Set;

/** PostgreSQL's JDBC driver against a server of ours; prints what it finds. */
public class Wire {
    public static void main(String[] arguments) throws Exception {
        Properties properties = new Properties();
        properties.setProperty("user", "mlbox");
        String url = "jdbc:postgresql://127.0.0.1:" + arguments[0] + "/library";
        try (Connection connection = DriverManager.getConnection(url, properties)) {
            lookAround(connection.getMetaData());
            prepared(connection);
            transaction(connection);
        }
    }

    private static void lookAround(DatabaseMetaData data) throws SQLException {
        System.out.println(data.getDatabaseProductName());
        ResultSet found = data.getSchemas();
        while (found.next()) {
            if (Set.of("default", "library", "ml").contains(found.getString(1))) {
                System.out.println("schema " + found.getString(1));
            }
        }
        found = data.getTables(null, "library", "%", new String[] {"TABLE", "VIEW"});
        while (found.next()) {
            String name = found.getString("TABLE_SCHEM") + "." + found.getString("TABLE_NAME");
            if (Set.of("library.books", "library.titles").contains(name)) {
                System.out.println(found.getString("TABLE_TYPE") + " " + name);
            }
        }
        found = data.getColumns(null, "library", "books", "%");
        while (found.next()) {
            String type = found.getString("TYPE_NAME");
            if (type.equals("numeric")) {
                type += "(" + found.getInt("COLUMN_SIZE") + "," + found.getInt("DECIMAL_DIGITS") + ")";
            }
            boolean nullable = found.getInt("NULLABLE") == DatabaseMetaData.columnNullable;
            System.out.println(
                    found.getString("COLUMN_NAME") + " " + type + " " + nullable + " " + found.getString("COLUMN_DEF"));
        }
        found = data.getPrimaryKeys(null, "library", "books");
        while (found.next()) {
            System.out.println("key " + found.getString("COLUMN_NAME") + " " + found.getInt("KEY_SEQ"));
        }
        data.getIndexInfo(null, "library", "books", false, false).close();
        data.getTypeInfo().close();
        data.getFunctions(null, "ml", "%").close();
    }

    private static void prepared(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.executeUpdate(
                    "CREATE OR REPLACE TABLE jdbc (i INTEGER, d DOUBLE, s TEXT, t TIMESTAMPTZ, n DECIMAL(10, 2), b BOOLEAN)");
        }
        try (PreparedStatement insert = connection.prepareStatement("INSERT INTO jdbc VALUES (?, ?, ?, ?, ?, ?)")) {
            for (int i = 0; i < 20; i++) {
                insert.setInt(1, i);
                insert.setDouble(2, i / 2.0);
                insert.setString(3, "s" + i);
                insert.setTimestamp(4, new Timestamp(0));
                insert.setBigDecimal(5, new BigDecimal("1.25"));
                insert.setBoolean(6, i % 2 == 0);
                insert.addBatch();
            }
            System.out.println("inserted " + insert.executeBatch().length);
        }
        String query = "SELECT i, d, s, t, n, b FROM jdbc WHERE i >= ? AND s <> ? ORDER BY i";
        try (PreparedStatement select = connection.prepareStatement(query)) {
            for (int round = 0; round < 8; round++) { // the driver prepares on the server, and takes binary, after five
                select.setInt(1, 17);
                select.setString(2, "x");
                ResultSet rows = select.executeQuery();
                while (rows.next()) {
                    if (round == 7) {
                        System.out.println(rows.getInt(1) + " " + rows.getDouble(2) + " " + rows.getString(3) + " "
                                + rows.getTimestamp(4).getTime() + " " + rows.getBigDecimal(5) + " " + rows.getBoolean(6));
                    }
                }
            }
        }
    }

    private static void transaction(Connection connection) throws SQLException {
        connection.setAutoCommit(false);
        try (Statement statement = connection.createStatement()) {
            statement.setFetchSize(100);
            ResultSet rows = statement.executeQuery("SELECT * FROM range(1000)");
            int count = 0;
            while (rows.next()) {
                count++;
            }
            System.out.println("fetched " + count);
            statement.executeUpdate("INSERT INTO jdbc (i) VALUES (99)");
        }
        connection.rollback();
        try (Statement statement = connection.createStatement()) {
            ResultSet rows = statement.executeQuery("SELECT count(*) FROM jdbc");
            rows.next();
            System.out.println("after rollback " + rows.getInt(1));
            statement.executeQuery("SELECT nope");
        } catch (SQLException error) {
            System.out.println("state " + error.getSQLState());
        }
        connection.rollback();
    }
}
