"""The WebDAV door: headers and XML in, answers out.

The parsers and renderers here know RFCs and clients, and no database; the request handlers that
join them to the store call them with decided values and get frozen structures or text back.
"""
