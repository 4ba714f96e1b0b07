"""The database: tables, stores and migrations. The only place that knows SQL; foreign errors end here."""
