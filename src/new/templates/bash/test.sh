#!/usr/bin/env bash
# Speaks to the plugin as a host does: lines in, lines out.
set -euo pipefail
cd "$(dirname "$0")"

fails=0

# check WHAT CONFIG PARAMS WANTED: what a new process answers to a call, as JSON.
check() {
  local lines got
  lines=$(jq -nc --argjson config "$2" --argjson params "$3" '
    {jsonrpc: "2.0", id: 0, method: "rpc.initialize", params: {protocolVersions: [1], $config}},
    {jsonrpc: "2.0", id: 1, method: "my_plugin.hello", $params}')
  got=$(bash plugin.sh <<<"$lines" | jq -c 'select(.id == 1) | .result // .error.code')
  if [[ $got == "$4" ]]; then
    echo "ok: $1"
  else
    echo "FAILED: $1: got $got, not $4" >&2
    fails=1
  fi
}

check "it greets" '{}' '{"name": "Ada"}' '"Hello, Ada!"'
check "it greets as its config says" '{"greeting": "Moo"}' '{"name": "Ada"}' '"Moo, Ada!"'
check "it refuses what it cannot use" '{}' '{"name": 5}' '-32602'
check "it does not start with a config that it cannot use" '{"greeting": 5}' '{"name": "Ada"}' '-32000'
exit "$fails"
