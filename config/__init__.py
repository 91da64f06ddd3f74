"""How the project is put together: settings, processes, the database it starts for itself."""
