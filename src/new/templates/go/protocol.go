// The protocol, version 1, by Plugline's protocol/SPEC.md: nothing here knows what the plugin does.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"unicode/utf8"
)

// limit is the longest line that is taken: what holds before the handshake, and is declared for after it.
const limit = 1 << 20

type params = map[string]any

type method struct {
	params members
	run    func(params) (any, error)
}

// A fault is what is answered in place of a result.
type fault struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"`
}

func (f *fault) Error() string { return f.Message }

// What every plugin has.
var own = map[string]method{
	"rpc.ping":       {members{}, func(params) (any, error) { return params{}, nil }},
	"rpc.discover":   {members{}, func(params) (any, error) { return manifest, nil }},
	"rpc.initialize": {initializeShape, initialize},
	"rpc.shutdown":   {members{"graceMs?": atLeast(0)}, shutdown},
}

var initializeShape = members{
	"protocolVersions": list(atLeast(-1 << 53)),
	"host?":            members{"name": text, "version": text},
	"instance?":        text,
	"limits?": members{"maxLineBytes?": atLeast(65536), "maxInFlight?": atLeast(1), "maxDepth?": atLeast(1),
		"streamWindowBytes?": atLeast(65536)},
	"capabilities?": members{"progress?": members{}, "log?": members{}, "streams?": members{},
		"callbacks?": members{"methods": list(text)}},
}

var (
	manifest  params
	phase     = "new" // then "ready", then "closing"
	hostLimit = limit // the longest line that the host takes
)

func initialize(p params) (any, error) {
	spoken := false
	for _, version := range p["protocolVersions"].([]any) {
		spoken = spoken || number(version) == 1
	}
	if !spoken {
		return nil, &fault{-32001, "only version 1 is spoken here", map[string]any{"supported": []int{1}}}
	}
	config, given := p["config"]
	if !given {
		config = params{}
	}
	if err := configure(config); err != nil {
		return nil, err
	}
	phase, hostLimit = "ready", 16<<20
	if limits, _ := p["limits"].(params); limits["maxLineBytes"] != nil {
		hostLimit = int(number(limits["maxLineBytes"]))
	}
	return map[string]any{
		"protocolVersion": 1,
		"plugin":          map[string]string{"name": name, "version": version},
		"provides":        manifest["x-plugline"].(params)["provides"],
		"limits":          map[string]int{"maxLineBytes": limit, "maxInFlight": 1},
	}, nil
}

func shutdown(params) (any, error) {
	phase = "closing"
	return nil, nil
}

func call(name string, given any) (result any, err error) {
	defer func() {
		if cause := recover(); cause != nil { // a mistake of ours: it is answered with -32603
			log.Printf("%s panicked: %v", name, cause)
			err = fmt.Errorf("%v", cause)
		}
	}()
	method, isOwn := own[name]
	if phase == "closing" && name != "rpc.ping" {
		return nil, &fault{-32003, "shutting down", nil}
	}
	if phase == "new" && !isOwn {
		return nil, &fault{-32000, "not initialized", nil}
	}
	if phase == "ready" && name == "rpc.initialize" {
		return nil, &fault{-32600, "initialized already", nil}
	}
	if !isOwn {
		known := false
		if method, known = methods[name]; !known {
			return nil, &fault{-32601, "no such method", nil}
		}
	}
	wrong := faults(given, method.params, "")
	p, _ := given.(params)
	delete(p, "_meta")
	if !isOwn {
		wrong = append(wrong, unknown(p, method.params)...)
	}
	if len(wrong) > 0 {
		return nil, &fault{-32602, "the params are wrong", map[string]any{"errors": wrong}}
	}
	return method.run(p)
}

// Answers a line, but for a notification or a response.
func answer(line []byte) {
	value, err := parse(line)
	if err != nil {
		respond(nil, nil, &fault{-32700, "the line is not JSON: " + err.Error(), nil})
		return
	}
	message, isObject := value.(map[string]any)
	id, hasID := message["id"]
	method, asks := message["method"]
	_, hasResult := message["result"]
	_, hasError := message["error"]
	given, hasParams := message["params"]
	if !hasParams {
		given = params{}
	}
	valid, spoken, concludes := isID(id), message["jsonrpc"] == "2.0", hasResult || hasError
	switch given.(type) {
	case map[string]any, []any:
		hasParams = true
	default:
		hasParams = false
	}
	switch {
	case text(method) && !hasID && !concludes, hasResult != hasError && !asks && valid && spoken:
		log.Printf("ignored: %.200q", line)
	case !isObject, concludes, !asks, !valid:
		respond(nil, nil, &fault{-32600, "neither a request nor a notification", nil})
	case !spoken, !text(method), !hasParams:
		respond(id, nil, &fault{-32600, "jsonrpc, method or params are wrong", nil})
	default:
		result, err := call(method.(string), given)
		respond(id, result, err)
	}
}

// Numbers stay as they are written, so that 1.0 is no id.
func parse(text []byte) (value any, err error) {
	if !utf8.Valid(text) {
		return nil, errors.New("it is not UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err = decoder.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("something follows it")
	}
	if hasLoneSurrogate(text) {
		return nil, errors.New("it has half a character")
	}
	return value, nil
}

// The decoder would put U+FFFD in its place.
func hasLoneSurrogate(json []byte) bool {
	high := false // the escape before this one is the first half of a pair
	for i := 0; i < len(json); i++ {
		unit := uint64(0)
		if json[i] == '\\' {
			if i++; json[i] == 'u' {
				unit, _ = strconv.ParseUint(string(json[i+1:i+5]), 16, 16)
				i += 4
			}
		}
		isLow := unit>>10 == 0xdc00>>10
		if high != isLow {
			return true
		}
		high = unit>>10 == 0xd800>>10
	}
	return false
}

func isID(id any) bool {
	if text, isText := id.(string); isText {
		return len(text) <= 256
	}
	number, _ := id.(json.Number)
	value, err := strconv.ParseUint(string(number), 10, 53)
	return err == nil && value < 1<<53
}

func respond(id, result any, err error) {
	answer := map[string]any{"jsonrpc": "2.0", "id": id}
	var known *fault
	switch {
	case err == nil:
		answer["result"] = result
	case errors.As(err, &known):
		answer["error"] = known
	default:
		answer["error"] = &fault{-32603, err.Error(), nil}
	}
	line := new(bytes.Buffer)
	encoder := json.NewEncoder(line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(answer); err != nil {
		respond(id, nil, err)
		return
	}
	if size := line.Len() - 1; size > hostLimit {
		respond(id, nil, &fault{-32007, "the answer is too long", map[string]int{"limit": hostLimit, "size": size}})
	} else if _, err := os.Stdout.Write(line.Bytes()); err != nil {
		os.Exit(1) // nobody reads any more
	}
}

// A shape says what a value must be: a test, or a shape for each member of an object; a name that ends in ? may be
// absent.
type (
	test    = func(value any) bool
	members map[string]any
)

func text(value any) bool {
	_, is := value.(string)
	return is
}

func list(is test) test {
	return func(value any) bool {
		items, ok := value.([]any)
		for _, item := range items {
			ok = ok && is(item)
		}
		return ok
	}
}

func atLeast(least int64) test {
	return func(value any) bool {
		_, is := value.(json.Number)
		return is && number(value) >= least
	}
}

// The least of all numbers stands for one that is no integer, or too large.
func number(value any) int64 {
	text, _ := value.(json.Number)
	number, err := text.Float64()
	if err != nil || number != float64(int64(number)) || number > 1<<53 {
		return -1 << 63
	}
	return int64(number)
}

type wrongPart struct {
	Path    string `json:"path"`
	Message string `json:"message"`
}

func faults(value any, shape any, path string) (wrong []wrongPart) {
	switch shape := shape.(type) {
	case test:
		if !shape(value) {
			wrong = append(wrong, wrongPart{path, "missing or wrong"})
		}
	case members:
		object, is := value.(map[string]any)
		if !is {
			return []wrongPart{{path, "missing or wrong"}}
		}
		for key, inner := range shape {
			name := strings.TrimSuffix(key, "?")
			if value, given := object[name]; given || name == key {
				wrong = append(wrong, faults(value, inner, path+"/"+name)...)
			}
		}
	}
	return wrong
}

func unknown(object params, shape members) (wrong []wrongPart) {
	for name := range object {
		if shape[name] == nil && shape[name+"?"] == nil {
			wrong = append(wrong, wrongPart{"/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name), "unknown"})
		}
	}
	return wrong
}

// Reads a line, without its LF; of one that is too long, only its length.
func readLine(in *bufio.Reader) (line []byte, length int, err error) {
	for {
		part, err := in.ReadSlice('\n')
		line, length = append(line, part...), length+len(part)
		if length > limit+1 {
			line = line[:0]
		}
		if err != bufio.ErrBufferFull {
			return bytes.TrimSuffix(line, []byte("\n")), length - 1, err
		}
	}
}

func main() {
	text, err := manifestText()
	if err == nil {
		err = json.Unmarshal(text, &manifest)
	}
	if err != nil {
		log.Fatal(err)
	}
	info := manifest["info"].(params)
	info["title"], info["version"] = name, version

	var busy sync.Mutex // held while a line is answered
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		for signal := range signals {
			if signal == syscall.SIGTERM { // SIGINT is meant for the host, who will say so
				busy.Lock()
				os.Exit(0)
			}
		}
	}()

	in := bufio.NewReaderSize(os.Stdin, 64<<10)
	for first := true; ; first = false {
		line, length, err := readLine(in)
		if err != nil {
			return // the end; what no LF ends is no line
		}
		if first {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
		}
		busy.Lock()
		if length > limit {
			respond(nil, nil, &fault{-32007, "the line is too long", map[string]int{"limit": limit, "size": length}})
		} else if len(bytes.Trim(line, " \t\r")) > 0 {
			answer(line)
		}
		busy.Unlock()
	}
}
