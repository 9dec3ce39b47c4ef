#!/bin/sh
# A prompt, its tokens as they come, the whole answer, and a stop: Sluice with nothing but curl.
#
#   SLUICE_URL    http://127.0.0.1:8080
#   SLUICE_TOKEN  a JWT
set -eu
session="from-curl-$$"
at="$SLUICE_URL/v1/sessions/$session/generations"

# Every request alike. -N passes on what comes at once.
ask() { curl -sSN --fail-with-body -H "authorization: Bearer $SLUICE_TOKEN" "$@"; }
put() { ask -X PUT -H 'content-type: application/json' -d "$2" "$at/$1"; }

echo '# A prompt. Sent again under the same id it is the same generation, never a second run.'
put first '{"input": "What is a sluice?", "params": {"max_tokens": 40}}'; echo
put first '{"input": "What is a sluice?", "params": {"max_tokens": 40}}'; echo

echo '# Its tokens. After a cut, `-H "Last-Event-ID: <the last id seen>"` goes on from there.'
ask "$at/first/events"

echo '# The answer as a whole, once it is done.'
ask "$at/first?wait=30"; echo

echo '# Another one, stopped: the model stops, and what it said is kept.'
put second '{"input": "Tell me everything.", "params": {"max_tokens": 5000}}'; echo
ask -X DELETE "$at/second"; echo
ask "$at/second?wait=30"; echo
