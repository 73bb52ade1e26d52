"""Logs in and reads a document: BASE NAME PASSWORD DOCUMENT [ROOT]."""

import sys

import requests

base, username, password, document = sys.argv[1:5]
session = requests.Session()
session.trust_env = False
if len(sys.argv) > 5:
    session.verify = sys.argv[5]
login = session.get(f"{base}/session", params={"username": username, "password": password})
login.raise_for_status()
session.headers["Authorization"] = "Bearer " + login.json()["Access_token"]
read = session.get(f"{base}/Docs('{document}')")
read.raise_for_status()
print(read.text)
