"""The drive: spaces, nodes, blobs, locks and properties."""
