"""PROGRAM: draws one picture of a stranger's, and ends. Holds nothing, and reaches nothing.

Takes an order and octets on its standard input, gives a picture or a number on its standard
output. A fault in a decoder meets a process without files, network, rights or other pictures.
Imports nothing of ours but how JSON is spelled.
`guzheng.painting` starts it; nobody imports it.
"""
