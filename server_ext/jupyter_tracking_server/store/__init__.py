"""The only place with SQL: schema, migrations, the writer, and one module for each noun."""
