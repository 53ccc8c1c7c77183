#!/usr/bin/env bash
# The plugin my-plugin. One jq decides everything, for as long as the plugin runs; the shell moves lines.
# shellcheck disable=SC2016 # what stands in quotes is of jq
export LC_ALL=C

# What it does. A shape is the name of a type, or an object of shapes.
does='
  def config: {greeting: "string"}; # what there may be; all of it is optional
  def contract: {"my_plugin.hello": {name: "string"}}; # the params of each method; all of them are needed
  # The answer to a call, of the params and the config: {result: …} or {error: {code: …, message: …}}.
  def answer($method; $params; $config):
    if $method == "my_plugin.hello" then {result: "\($config.greeting // "Hello"), \($params.name)!"} else empty end;
'

# The protocol, which is the same in any other plugin.
protocol='
  def own: {"rpc.ping": {}, "rpc.discover": {}, "rpc.shutdown": {}, "rpc.initialize": {protocolVersions: "array"}};
  def least: {maxLineBytes: 65536, maxInFlight: 1, maxDepth: 1, streamWindowBytes: 65536};

  def is_json: # in its words: jq by itself also takes 01, .5, nan and raw control characters
    test("^(?>[ \t\r\n{}\\[\\]:,]|\"(?>[^\"\\\\\\x00-\\x1f\ufffd]|\\\\(?>[\"\\\\/bfnrt]"
      + "|u(?![dD][89a-fA-F])[0-9a-fA-F]{4}|u[dD][89abAB]..\\\\u[dD][c-fC-F]..))*\""
      + "|-?(?>0|[1-9][0-9]*)(?>\\.[0-9]+)?(?>[eE][-+]?[0-9]+)?(?![\\w.+-])|true|false|null)*$");
  def faults($shape; $path): . as $value
    | if type == "object" and ($shape | type) == "object"
      then ($shape | keys[]) as $key | $value[$key] | faults($shape[$key]; "\($path)/\($key)")
      elif type == $shape then empty
      else {path: $path, message: "missing or wrong"} end;
  def unknown($shape): objects | keys[] | select(in($shape) | not)
    | {path: "/\(split("~") | join("~0") | split("/") | join("~1"))", message: "unknown"};

  # These take the state and give the next one, whose `say` is what the shell gets to read.
  def reply($id; $body): ({jsonrpc: "2.0", id: $id} + $body | tojson) as $text
    | ($text | utf8bytelength) as $size
    | .say = if $size <= .limit then $text else {jsonrpc: "2.0", id: $id, error: {code: -32007,
        message: "message too large", data: {limit: .limit, size: $size}}} | tojson end;
  def fail($id; $code; $message): reply($id; {error: {code: $code, message: $message}});
  def fail($id; $code; $message; $data):
    reply($id; {error: {code: $code, message: $message, data: $data}});
  def initialize($m): ({limits: {}, config: {}} + $m.params) as {$limits, config: $given, $protocolVersions}
    | [$limits | faults({}; "/limits"), (objects | (least | keys[]) as $key | select(has($key))
        | .[$key] | select(type != "number" or . < least[$key] or . != floor)
        | {path: "/limits/\($key)", message: "must be an integer, at least \(least[$key])"})] as $errors
    | [$given | faults({}; ""), unknown(config), (objects | (config | keys[]) as $key | select(has($key))
        | .[$key] | faults(config[$key]; "/\($key)"))] as $unfit
    | if $errors != [] then fail($m.id; -32602; "invalid params"; {errors: $errors})
      elif any($protocolVersions[]; . == 1) | not
      then fail($m.id; -32001; "unsupported protocol"; {supported: [1]})
      elif $unfit != [] then fail($m.id; -32002; "invalid config"; {errors: $unfit})
      else .phase = "ready" | .config = $given | .limit = ($limits.maxLineBytes // 16777216)
        | reply($m.id; {result: {protocolVersion: 1, plugin: ($manifest[0].info | {name: .title, version}),
            provides: $manifest[0]["x-plugline"].provides, limits: {maxLineBytes: $limit, maxInFlight: 1}}})
      end;
  def call($m; $params): .phase as $phase | .config as $config | $m.method as $method
    | (own + contract)[$method] as $shape | ($method | in(own)) as $own
    | [$params | faults($shape; ""), (select($own | not) | unknown($shape + {_meta: 0}))] as $errors
    | if $phase == "closing" and $method != "rpc.ping" then fail($m.id; -32003; "shutting down")
      elif $phase == "new" and ($own | not) then fail($m.id; -32000; "not initialized")
      elif $phase == "ready" and $method == "rpc.initialize" then fail($m.id; -32600; "initialized already")
      elif $shape == null then fail($m.id; -32601; "method not found")
      elif $errors != [] then fail($m.id; -32602; "invalid params"; {errors: $errors})
      elif $method == "rpc.ping" then reply($m.id; {result: {}})
      elif $method == "rpc.discover" then reply($m.id; {result: $manifest[0]})
      elif $method == "rpc.shutdown" then .phase = "closing" | reply($m.id; {result: null})
      elif $method == "rpc.initialize" then initialize($m)
      else reply($m.id; answer($method; $params | del(._meta); $config)) end;
  def receive($line): .say = ""
    | ($line | if is_json then try [fromjson] catch [] else [] end) as $parsed
    | ($parsed[0] | objects // {result: 0, error: 0}) as $m
    | ([$m | has("result", "error") | select(.)] | length) as $ends | ($m | has("method")) as $asks
    | ($m.id | (type == "string" and utf8bytelength <= 256) or (type == "number" and . >= 0
        and . == floor and . < 9007199254740992)) as $valid
    | if $parsed == [] then fail(null; -32700; "parse error")
      elif ($m.method | type) == "string" and $ends == 0 and ($m | has("id") | not) then . # a notification
      elif $ends == 1 and ($asks | not) and $valid and $m.jsonrpc == "2.0" then . # a response
      elif $ends > 0 or ($asks and $valid | not) then fail(null; -32600; "invalid request")
      elif $m.jsonrpc != "2.0" or ($m.method | type) != "string"
        or ($m | has("params") and (.params | type | . != "object" and . != "array"))
      then fail($m.id; -32600; "invalid request")
      else call($m; $m | if has("params") then .params else {} end) end;

  foreach inputs as $line ({phase: "new", limit: $limit}; receive($line); .say)
'

limit=1048576 # of a line: what holds before the handshake, and is declared for after it
coproc JQ {
  trap '' TERM # it ends with its standard input, thus after the shell
  exec jq -ncr --unbuffered --slurpfile manifest "$(dirname "$0")/contract.openrpc.json" --argjson limit "$limit" \
    "$does $protocol"
}
say() { printf '%s\n' "$1" 2>/dev/null || exit 1; } # nobody reads any more
ask() { printf '%s\n' "$1" >&"${JQ[1]}" && IFS= read -r said <&"${JQ[0]}"; }
trap 'exec </dev/null' TERM
bom=$'\xef\xbb\xbf' bad=$'\xef\xbf\xbd' slash="\\" quote='"'
while IFS= read -r line; do
  size=${#line}
  if [[ $bom && $line == "$bom"* ]]; then line=${line:3}; fi # `#` would look at each beginning of a long line
  bom=
  [[ $line == *[!$' \t\r']* ]] || continue
  if ((size > limit)); then
    said='{"jsonrpc":"2.0","id":null,"error":{"code":-32007,"message":"message too large","data":'
    say "$said{\"limit\":$limit,\"size\":$size}}}"
    continue
  fi
  # The line as a string of JSON. From here on, U+FFFD stands for bytes that can be in no JSON.
  text=${line//"$bad"/"$slash"ufffd}
  text=${text//"$slash"/"$slash$slash"}
  text=${text//"$quote"/"$slash$quote"}
  text=${text//$'\t'/"$slash"t}
  text=${text//$'\r'/"$slash"r}
  ask "$quote${text//[$'\x01'-$'\x1f']/"$bad"}$quote" || exit 1
  if [[ $said ]]; then say "$said"; else echo "ignored: ${line:0:200}" >&2; fi
done < <(sed -u 's/\x00/\xff/g') # the shell drops NUL from what it reads, and neither can be in JSON
exit 0
