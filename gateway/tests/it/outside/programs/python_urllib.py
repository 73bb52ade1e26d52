"""Logs in and reads a document: BASE NAME PASSWORD DOCUMENT [ROOT]."""

import json
import ssl
import sys
import urllib.parse
import urllib.request

base, username, password, document = sys.argv[1:5]
root = sys.argv[5] if len(sys.argv) > 5 else None
handlers = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=root))
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), handlers)


def answer(target, **headers):
    with opener.open(urllib.request.Request(target, headers=headers)) as response:
        return response.read().decode()


query = urllib.parse.urlencode({"username": username, "password": password})
token = json.loads(answer(f"{base}/session?{query}"))["Access_token"]
print(answer(f"{base}/Docs('{document}')", Authorization=f"Bearer {token}"))
