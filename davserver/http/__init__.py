"""Our hardening of cheroot: parser, bodies, gateway, connections, TLS, workers.

`server.make_server` is the door in. Each file mends one group of defects of the stock server and
names them, the upstream issue and the test; when upstream mends it, the file goes.
"""
