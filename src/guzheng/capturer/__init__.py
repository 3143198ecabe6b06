"""PROGRAM: opens a hostile page in a fresh Chromium and writes down what it saw.

`python -m guzheng.capturer ORDER.json OUT/` takes a capture order and leaves a folder: the
originals under `items/`, the capture record `capture.json`, and `failure.json` when it could
not be done. docs/spec/capture.md specifies all three.

The program holds no key, knows no database and imports nothing of ours but `guzheng.proof`: it
meets pages that want to break it, so nothing worth stealing is within its reach.

Reading order: order, limits, addresses, egress (what may be contacted), devtools, browser,
jobuser (the browser and its cage), recorder, visit, artefacts (what is seen), warc, wacz,
environment (how it is written down), act (the order of all this), __main__.
"""
