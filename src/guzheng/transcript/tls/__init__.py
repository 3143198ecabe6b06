"""TLS 1.2 and 1.3 as somebody sees them who was given the secrets and both directions.

Nothing is negotiated and nothing sent: a finished conversation is read, decrypted record by
record, and what its handshake proves is checked. Whatever this does not know it does not open,
and says so: another version, another cipher suite, early data, a second handshake.
"""
