"""`why`: questions, tables of cases, and the search for evidence."""
