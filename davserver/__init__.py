"""The WebDAV door, the server that carries both doors, and the command line."""
