// The run-time of Plugline for Go: both ends of the protocol (version 1) in one file of the standard library alone.
//
// Start runs a plugin and speaks to it; the generated Serve makes this process a plugin. Go 1.22 or newer, on Unix.
package runtime

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"reflect"
	"regexp"
	"runtime"
	"runtime/debug"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"
)

// --- errors

// Kind is a kind of failure: a closed set, the same in every language.
type Kind string

// The kinds of failure.
const (
	KindInvalidRequest    Kind = "invalid_request"
	KindSpawnFailed       Kind = "spawn_failed"
	KindHandshakeTimeout  Kind = "handshake_timeout"
	KindHandshakeInvalid  Kind = "handshake_invalid"
	KindVersionMismatch   Kind = "version_mismatch"
	KindInvalidConfig     Kind = "invalid_config"
	KindDeclined          Kind = "declined"
	KindProtocolViolation Kind = "protocol_violation"
	KindStreamViolation   Kind = "stream_violation"
	KindRemoteError       Kind = "remote_error"
	KindTimeout           Kind = "timeout"
	KindCancelled         Kind = "cancelled"
	KindPluginExited      Kind = "plugin_exited"
	KindTooLarge          Kind = "too_large"
	KindOverloaded        Kind = "overloaded"
	KindClosed            Kind = "closed"
	KindUnsupported       Kind = "unsupported"
)

// Failure is a call, or a start, that failed.
type Failure struct {
	Kind    Kind
	Message string
	// Command is what was started.
	Command []string
	// Phase is "spawn", "start", "contract" or "call".
	Phase string
	// Remote is what the plugin answered to the handshake, where it refused it.
	Remote *RemoteError
	// Exit says how the process ended, where it did; State knows more.
	Exit  string
	State *os.ProcessState
	// StderrTail is the last of what the plugin wrote to standard error.
	StderrTail string
	// Stray is the first line of standard output that was no message, quoted.
	Stray string
}

func (f *Failure) Error() string {
	text := f.Message
	if f.Exit != "" && !strings.Contains(text, f.Exit) {
		text += " (" + f.Exit + ")"
	}
	if f.StderrTail != "" {
		text += "; standard error: " + strconv.Quote(f.StderrTail)
	}
	return text
}

func failure(kind Kind, format string, values ...any) *Failure {
	return &Failure{Kind: kind, Message: fmt.Sprintf(format, values...)}
}

// KindOf is the kind of any error of a call.
func KindOf(err error) Kind {
	var failed *Failure
	var remote interface{ remote() (*RemoteError, error) }
	switch {
	case errors.As(err, &failed):
		return failed.Kind
	case errors.As(err, &remote):
		return KindRemoteError
	case errors.Is(err, context.DeadlineExceeded):
		return KindTimeout
	case errors.Is(err, context.Canceled):
		return KindCancelled
	default:
		return KindInvalidRequest
	}
}

// RemoteError is an error that the other side answered, or that a handler returns for it to be answered.
type RemoteError struct {
	Code    int64           `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data,omitempty"`
}

func (e *RemoteError) Error() string {
	return fmt.Sprintf("error %d: %s", e.Code, e.Message)
}

func (e *RemoteError) remote() (*RemoteError, error) {
	return e, nil
}

// declaredError is an error of a contract as it travels.
func declaredError(code int64, message, usual string, data any) (*RemoteError, error) {
	remote := &RemoteError{Code: code, Message: said(message, usual)}
	if data == nil {
		return remote, nil
	}
	var err error
	remote.Data, err = encode(data)
	return remote, err
}

// said is the message of an error, or what its contract says.
func said(message, usual string) string {
	if message == "" {
		return usual
	}
	return message
}

// unreadable: the params fit their schema, and Go has no room for them.
func unreadable(err error) error {
	return invalidParams([]Fault{{Message: err.Error()}})
}

// InvalidConfig is returned where a plugin is made: this config cannot be worked with.
type InvalidConfig struct {
	Errors []Fault
}

func (e *InvalidConfig) Error() string {
	return fmt.Sprintf("invalid config: %v", e.Errors)
}

// Declined is returned where a plugin is made: the plugin judges itself unfit here.
type Declined struct {
	Reason string
}

func (e *Declined) Error() string {
	return "declined: " + e.Reason
}

const (
	codeParse          = -32700
	codeInvalidRequest = -32600
	codeNoMethod       = -32601
	codeInvalidParams  = -32602
	codeInternal       = -32603
	codeNotInitialized = -32000
	codeUnsupported    = -32001
	codeInvalidConfig  = -32002
	codeShuttingDown   = -32003
	codeCancelled      = -32004
	codeDeadline       = -32005
	codeOverloaded     = -32006
	codeTooLarge       = -32007
	codeStream         = -32008
	codeDeclined       = -32009
)

var codeTexts = map[int64]string{
	codeParse: "parse error", codeInvalidRequest: "invalid request", codeNoMethod: "method not found",
	codeInvalidParams: "invalid params", codeInternal: "internal error", codeNotInitialized: "not initialized",
	codeUnsupported: "unsupported protocol", codeInvalidConfig: "invalid config", codeShuttingDown: "shutting down",
	codeCancelled: "cancelled", codeDeadline: "deadline exceeded", codeOverloaded: "overloaded",
	codeTooLarge: "message too large", codeStream: "stream violation", codeDeclined: "declined",
}

func protocolError(code int64, data any) *RemoteError {
	e := &RemoteError{Code: code, Message: codeTexts[code]}
	if data != nil {
		e.Data = mustEncode(data)
	}
	return e
}

func invalidParams(faults []Fault) *RemoteError {
	return protocolError(codeInvalidParams, map[string]any{"errors": faults})
}

// --- values

// Int64 is an integer that may be beyond 2^53: digits in a text on the wire.
type Int64 int64

// MarshalJSON writes the digits as a text.
func (i Int64) MarshalJSON() ([]byte, error) {
	return []byte(`"` + strconv.FormatInt(int64(i), 10) + `"`), nil
}

// UnmarshalJSON reads the digits from a text.
func (i *Int64) UnmarshalJSON(text []byte) error {
	var digits string
	if err := json.Unmarshal(text, &digits); err != nil {
		return err
	}
	value, err := strconv.ParseInt(digits, 10, 64)
	*i = Int64(value)
	return err
}

// Uint64 is a number from 0 that may be beyond 2^53: digits in a text on the wire.
type Uint64 uint64

// MarshalJSON writes the digits as a text.
func (i Uint64) MarshalJSON() ([]byte, error) {
	return []byte(`"` + strconv.FormatUint(uint64(i), 10) + `"`), nil
}

// UnmarshalJSON reads the digits from a text.
func (i *Uint64) UnmarshalJSON(text []byte) error {
	var digits string
	if err := json.Unmarshal(text, &digits); err != nil {
		return err
	}
	value, err := strconv.ParseUint(digits, 10, 64)
	*i = Uint64(value)
	return err
}

// Integer is an integer of any size: digits in a text on the wire.
type Integer struct {
	big.Int
}

// MarshalJSON writes the digits as a text.
func (i Integer) MarshalJSON() ([]byte, error) {
	return []byte(`"` + i.Int.String() + `"`), nil
}

// UnmarshalJSON reads the digits from a text.
func (i *Integer) UnmarshalJSON(text []byte) error {
	var digits string
	if err := json.Unmarshal(text, &digits); err != nil {
		return err
	}
	if _, fits := i.Int.SetString(digits, 10); !fits {
		return fmt.Errorf("%q is no integer", digits)
	}
	return nil
}

// Pair is a list of two values.
type Pair[A, B any] struct {
	First  A
	Second B
}

// MarshalJSON writes a list.
func (p Pair[A, B]) MarshalJSON() ([]byte, error) {
	return encode([]any{p.First, p.Second})
}

// UnmarshalJSON reads a list.
func (p *Pair[A, B]) UnmarshalJSON(text []byte) error {
	return unmarshalTuple(text, &p.First, &p.Second)
}

// Triple is a list of three values.
type Triple[A, B, C any] struct {
	First  A
	Second B
	Third  C
}

// MarshalJSON writes a list.
func (t Triple[A, B, C]) MarshalJSON() ([]byte, error) {
	return encode([]any{t.First, t.Second, t.Third})
}

// UnmarshalJSON reads a list.
func (t *Triple[A, B, C]) UnmarshalJSON(text []byte) error {
	return unmarshalTuple(text, &t.First, &t.Second, &t.Third)
}

func unmarshalTuple(text []byte, into ...any) error {
	var items []json.RawMessage
	if err := json.Unmarshal(text, &items); err != nil {
		return err
	}
	if len(items) != len(into) {
		return fmt.Errorf("a list of %d, not of %d", len(items), len(into))
	}
	for at, item := range items {
		if err := json.Unmarshal(item, into[at]); err != nil {
			return err
		}
	}
	return nil
}

// encode is json.Marshal without the escapes for HTML.
func encode(value any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), nil
}

// mustEncode is for the values of the protocol itself, which JSON can say.
func mustEncode(value any) []byte {
	text, err := encode(value)
	if err != nil {
		panic(err)
	}
	return text
}

// deepest is how far a message may nest, its own brace counted.
const deepest = 100

// unsound is why JSON must not be sent all the same: a lone surrogate, a name that an object has twice, nesting beyond
// these levels.
func unsound(text []byte, levels int) error {
	var around []map[string]bool // the names of each object; none for a list
	for at := 0; at < len(text); at++ {
		switch text[at] {
		case '{':
			around = append(around, map[string]bool{})
		case '[':
			around = append(around, nil)
		case '}', ']':
			around = around[:len(around)-1]
		case '"':
			end := textEnd(text, at)
			whole := text[at:end]
			if hasLoneSurrogate(whole) {
				return errors.New("has a lone surrogate in a text")
			}
			at = end - 1
			if rest := bytes.TrimLeft(text[end:], " \t\r\n"); len(rest) > 0 && rest[0] == ':' {
				var name string
				_ = json.Unmarshal(whole, &name) // it is a text of valid JSON
				names := around[len(around)-1]
				if names[name] {
					return fmt.Errorf("has the member %s twice", whole)
				}
				names[name] = true
			}
		}
		if len(around) > levels {
			return errors.New("nests too deep")
		}
	}
	return nil
}

// textEnd is where a text that begins there is over.
func textEnd(text []byte, at int) int {
	for at++; at < len(text) && text[at] != '"'; at++ {
		if text[at] == '\\' {
			at++
		}
	}
	return min(at+1, len(text))
}

// hasLargeInteger: beyond 2^53 - 1 many readers would round it, so it travels as a text.
func hasLargeInteger(text []byte) bool {
	for at := 0; at < len(text); at++ {
		switch {
		case text[at] == '"':
			at = textEnd(text, at) - 1
		case text[at] >= '0' && text[at] <= '9':
			from := at
			for at < len(text) && strings.IndexByte("0123456789.eE+-", text[at]) >= 0 {
				at++
			}
			number := text[from:at]
			if len(number) >= 16 && validInteger.Match(number) && !validID(number) {
				return true
			}
			at--
		}
	}
	return false
}

// shallow is a line of which what nests far too deep is cut, and still nests too deep: the rest can be read, and names
// the call that it is about.
func shallow(line []byte) []byte {
	var kept []byte
	depth, from := 0, 0
	for at := 0; at < len(line); at++ {
		switch line[at] {
		case '"':
			at = textEnd(line, at) - 1
		case '{', '[':
			if depth++; depth == deepest+1 {
				kept = append(append(kept, line[from:at]...), "[]"...)
			}
		case '}', ']':
			if depth--; depth == deepest {
				from = at + 1
			}
		}
	}
	switch {
	case kept == nil:
		return line
	case depth > deepest:
		return kept // it does not end, and is no JSON
	default:
		return append(kept, line[from:]...)
	}
}

func decodeAny(text []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	err := decoder.Decode(&value)
	return value, err
}

// constant reads the one text that may stand here.
func constant(text []byte, wanted string) error {
	var found string
	if err := json.Unmarshal(text, &found); err != nil {
		return err
	}
	if found != wanted {
		return fmt.Errorf("%q, not %q", found, wanted)
	}
	return nil
}

// onlyOne encodes the one of a union's variants that is there.
func onlyOne(union string, variants ...any) ([]byte, error) {
	var found any
	for _, variant := range variants {
		if !reflect.ValueOf(variant).IsNil() {
			if found != nil {
				return nil, fmt.Errorf("%s has more than one variant", union)
			}
			found = variant
		}
	}
	if found == nil {
		return nil, fmt.Errorf("%s has no variant", union)
	}
	return encode(found)
}

// keyedVariant is a variant of a union whose variants are told apart by the name of their one member.
type keyedVariant struct {
	key   string
	value any
}

// onlyKey encodes the one of the variants that is there; a bool is a variant without a value.
func onlyKey(union string, variants ...keyedVariant) ([]byte, error) {
	var found []keyedVariant
	for _, variant := range variants {
		value := reflect.ValueOf(variant.value)
		if value.Kind() == reflect.Bool && value.Bool() || value.Kind() != reflect.Bool && !value.IsNil() {
			found = append(found, variant)
		}
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("%s must have one variant, and has %d", union, len(found))
	}
	if _, isUnit := found[0].value.(bool); isUnit {
		return encode(found[0].key)
	}
	return encode(map[string]any{found[0].key: found[0].value})
}

// keyOf is the name of the one member, and its value; a text is a name without a value.
func keyOf(text []byte) (string, json.RawMessage, error) {
	var key string
	if json.Unmarshal(text, &key) == nil {
		return key, nil, nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return "", nil, err
	}
	for key, value := range members {
		if len(members) == 1 {
			return key, value, nil
		}
	}
	return "", nil, fmt.Errorf("an object of %d members, not of one", len(members))
}

// tagOf is the member that tells variants apart.
func tagOf(text []byte, name string) (string, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return "", err
	}
	var tag string
	err := json.Unmarshal(members[name], &tag)
	return tag, err
}

// --- schemas

// Fault is where a value breaks its schema: the path is a JSON Pointer.
type Fault struct {
	Path    string `json:"path"`
	Message string `json:"message"`
}

// schemas checks values against the schemas of a document.
type schemas struct {
	root     any
	mutex    sync.Mutex
	patterns map[string]*regexp.Regexp
}

func parseDocument(text string) *schemas {
	root, err := decodeAny([]byte(text))
	if err != nil {
		panic("the generated document is broken: " + err.Error())
	}
	return &schemas{root: root, patterns: map[string]*regexp.Regexp{}}
}

func (s *schemas) at(pointer string) any {
	found := s.root
	for _, part := range strings.Split(strings.TrimPrefix(strings.TrimPrefix(pointer, "#"), "/"), "/") {
		name := strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")
		switch whole := found.(type) {
		case map[string]any:
			found = whole[name]
		case []any:
			at, err := strconv.Atoi(name)
			if err != nil || at < 0 || at >= len(whole) {
				return nil
			}
			found = whole[at]
		default:
			return nil
		}
	}
	return found
}

// target is what a reference points at. It is part of a URI, so a name in it may be percent-encoded.
func (s *schemas) target(reference string) any {
	plain, err := url.PathUnescape(reference)
	if err != nil {
		plain = reference
	}
	return s.at(plain)
}

// firstFitting is which of the schemas at these pointers a value fits, or -1.
func (s *schemas) firstFitting(text []byte, pointers ...string) int {
	value, err := decodeAny(text)
	if err != nil {
		return -1
	}
	for at, pointer := range pointers {
		if s.fits(s.at(pointer), value) {
			return at
		}
	}
	return -1
}

func (s *schemas) fits(schema, value any) bool {
	reading := reading{schemas: s}
	reading.read(schema, value, "")
	return len(reading.faults) == 0
}

// accept checks a value that came, and gives it back as the types of Go read it.
func (s *schemas) accept(schema any, text []byte) ([]byte, []Fault) {
	if err := unsound(text, deepest-1); err != nil {
		return nil, []Fault{{Message: err.Error()}}
	}
	return s.check(schema, text, strict)
}

// offer checks a value that is to be sent within so many levels: a nil slice or map is an empty one, or absent where it
// is optional.
func (s *schemas) offer(schema any, value any, within int) ([]byte, error) {
	text, err := encode(value)
	if err != nil {
		return nil, err
	}
	text, faults := s.check(schema, text, lenient)
	if len(faults) > 0 {
		return nil, fmt.Errorf("%q %s", faults[0].Path, faults[0].Message)
	}
	if hasLargeInteger(text) {
		return nil, errors.New("it has an integer beyond 2^53 - 1, which travels as a text")
	}
	return text, unsound(text, deepest-within)
}

func (s *schemas) check(schema any, text []byte, mode mode) ([]byte, []Fault) {
	value, err := decodeAny(text)
	if err != nil {
		return nil, []Fault{{Message: err.Error()}}
	}
	reading := reading{schemas: s, mode: mode}
	made := reading.read(schema, value, "")
	if len(reading.faults) == 0 && reading.changed {
		text = mustEncode(made)
	}
	return text, reading.faults
}

// How many levels are around params and results, around the data of an error, and around items.
const (
	withinMessage = 1
	withinError   = 2
	withinItems   = 3
)

type mode int

const (
	strict mode = iota
	lenient
)

// reading is one value on its way through a schema.
type reading struct {
	schemas *schemas
	mode    mode
	faults  []Fault
	changed bool
}

func (r *reading) fault(path, format string, values ...any) {
	r.faults = append(r.faults, Fault{Path: path, Message: fmt.Sprintf(format, values...)})
}

func (r *reading) read(schema, value any, path string) any {
	keywords, isObject := schema.(map[string]any)
	if !isObject {
		if allowed, isBool := schema.(bool); !isBool || !allowed {
			r.fault(path, "must not be there")
		}
		return value
	}
	if reference, found := keywords["$ref"].(string); found {
		return r.read(r.schemas.target(reference), value, path)
	}
	if types, found := keywords["type"]; found {
		all, isList := types.([]any)
		if !isList {
			all = []any{types}
		}
		if r.mode == lenient && value == nil && len(all) == 1 {
			value = r.empty(all[0], keywords)
		}
		if !anyOf(all, func(one any) bool { return hasType(value, one) }) {
			r.fault(path, "must be of type %v", strings.Trim(fmt.Sprint(types), "[]"))
			return value
		}
	}
	if wanted, found := keywords["const"]; found && canonical(wanted) != canonical(value) {
		r.fault(path, "is not the one value that may stand here")
		return value
	}
	if choices, found := keywords["enum"].([]any); found {
		own := canonical(value)
		if !anyOf(choices, func(one any) bool { return canonical(one) == own }) {
			r.fault(path, "is none of the values that may stand here")
			return value
		}
	}
	switch typed := value.(type) {
	case string:
		r.text(keywords, typed, path)
	case json.Number:
		value = r.number(keywords, typed, path)
	case []any:
		value = r.list(keywords, typed, path)
	case map[string]any:
		value = r.object(keywords, typed, path)
	}
	return r.combined(keywords, value, path)
}

// empty is what nil stands for where the type is one that Go has nil for.
func (r *reading) empty(kind any, keywords map[string]any) any {
	var value any
	switch {
	case kind == "array":
		value = []any{}
	case kind == "object" && keywords["properties"] == nil:
		value = map[string]any{}
	case kind == "string" && keywords["contentEncoding"] == "base64":
		value = ""
	default:
		return nil
	}
	r.changed = true
	return value
}

func anyOf(all []any, fits func(any) bool) bool {
	for _, one := range all {
		if fits(one) {
			return true
		}
	}
	return false
}

func hasType(value, kind any) bool {
	switch typed := value.(type) {
	case nil:
		return kind == "null"
	case bool:
		return kind == "boolean"
	case string:
		return kind == "string"
	case []any:
		return kind == "array"
	case map[string]any:
		return kind == "object"
	case json.Number:
		return kind == "number" || kind == "integer" && whole(typed) != nil
	default:
		return false
	}
}

// whole is a number without a fraction, however it is written; none where it has one.
func whole(number json.Number) *big.Int {
	text := string(number)
	if len(text) <= mostDigits {
		if integer, fits := new(big.Int).SetString(text, 10); fits {
			return integer
		}
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || value != math.Trunc(value) || math.IsInf(value, 0) {
		return nil
	}
	integer, _ := big.NewFloat(value).Int(nil)
	return integer
}

// What is reckoned exactly; a number of more digits, or with a larger exponent, is the double nearest to it.
const (
	mostDigits   = 400
	mostExponent = 40
)

func rational(value any) *big.Rat {
	number, isNumber := value.(json.Number)
	if !isNumber {
		return nil
	}
	text := string(number)
	_, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	power, err := strconv.Atoi(exponent)
	if len(text) <= mostDigits && (exponent == "" || err == nil && max(power, -power) <= mostExponent) {
		exact, _ := new(big.Rat).SetString(text)
		return exact
	}
	double, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil
	}
	return new(big.Rat).SetFloat64(double)
}

// canonical is the same text for values that are equal.
func canonical(value any) string {
	switch typed := value.(type) {
	case json.Number:
		text := string(typed)
		if integer, err := strconv.ParseInt(text, 10, 64); err == nil {
			return strconv.FormatInt(integer, 10)
		}
		double, err := strconv.ParseFloat(text, 64)
		switch {
		case err != nil:
			return text
		case double == math.Trunc(double) && math.Abs(double) < 1<<63:
			return strconv.FormatInt(int64(double), 10)
		default:
			return strconv.FormatFloat(double, 'g', -1, 64)
		}
	case []any:
		items := make([]string, len(typed))
		for at, item := range typed {
			items[at] = canonical(item)
		}
		return "[" + strings.Join(items, ",") + "]"
	case map[string]any:
		members := make([]string, 0, len(typed))
		for name, member := range typed {
			members = append(members, strconv.Quote(name)+":"+canonical(member))
		}
		sort.Strings(members)
		return "{" + strings.Join(members, ",") + "}"
	case string:
		return strconv.Quote(typed)
	default:
		return fmt.Sprint(typed)
	}
}

var (
	dateTime = regexp.MustCompile(`^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$`)
	digits   = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)
	widths   = map[string][2]*big.Int{
		"int64": {power(63, -1), power(63, 1)}, "uint64": {power(0, 0), power(64, 1)},
		"int128": {power(127, -1), power(127, 1)}, "uint128": {power(0, 0), power(128, 1)},
	}
)

// power is -2^bits, 0, or 2^bits - 1.
func power(bits uint, sign int64) *big.Int {
	value := new(big.Int).Lsh(big.NewInt(1), bits)
	switch sign {
	case -1:
		return value.Neg(value)
	case 0:
		return big.NewInt(0)
	default:
		return value.Sub(value, big.NewInt(1))
	}
}

func length(value any) (int, bool) {
	number, isNumber := value.(json.Number)
	if !isNumber {
		return 0, false
	}
	integer := whole(number)
	if integer == nil || !integer.IsInt64() {
		return 0, false
	}
	return int(integer.Int64()), true
}

func (r *reading) between(keywords map[string]any, least, most string, count int, path, of string) {
	if bound, found := length(keywords[least]); found && count < bound {
		r.fault(path, "must have at least %d %s", bound, of)
	}
	if bound, found := length(keywords[most]); found && count > bound {
		r.fault(path, "must have at most %d %s", bound, of)
	}
}

func (r *reading) text(keywords map[string]any, value, path string) {
	r.between(keywords, "minLength", "maxLength", utf8.RuneCountInString(value), path, "characters")
	if pattern, found := keywords["pattern"].(string); found && !r.schemas.matches(pattern, value) {
		r.fault(path, "must match %s", pattern)
	}
	if keywords["contentEncoding"] == "base64" {
		if _, err := base64.StdEncoding.Strict().DecodeString(value); err != nil || strings.ContainsAny(value, "\r\n") {
			r.fault(path, "must be base64 with padding")
		}
	}
	format, _ := keywords["format"].(string)
	if format == "date-time" && !dateTime.MatchString(value) {
		r.fault(path, "must be a time of RFC 3339")
	}
	if width, found := widths[format]; found || format == "integer" || format == "bigint" {
		integer, fits := new(big.Int), digits.MatchString(value)
		if fits && found {
			// None of the widths has more digits.
			_, fits = integer.SetString(value[:min(len(value), 50)], 10)
		}
		if !fits || found && (integer.Cmp(width[0]) < 0 || integer.Cmp(width[1]) > 0) {
			r.fault(path, "must be an integer in digits (%s)", format)
		}
	}
}

// matches is also true for a pattern that Go's expressions cannot say: look-around is left to the other side.
func (s *schemas) matches(pattern, value string) bool {
	s.mutex.Lock()
	compiled, found := s.patterns[pattern]
	if !found {
		compiled, _ = regexp.Compile(pattern)
		s.patterns[pattern] = compiled
	}
	s.mutex.Unlock()
	return compiled == nil || compiled.MatchString(value)
}

// numberFormats is what numbers of a format may be.
var numberFormats = map[string][2]int64{
	"int8": {math.MinInt8, math.MaxInt8}, "int16": {math.MinInt16, math.MaxInt16}, "int32": {math.MinInt32, math.MaxInt32},
	"uint8": {0, math.MaxUint8}, "uint16": {0, math.MaxUint16}, "uint32": {0, math.MaxUint32},
	"uint": {0, math.MaxInt64}, "uint64": {0, math.MaxInt64},
}

func (r *reading) number(keywords map[string]any, value json.Number, path string) any {
	var number *big.Rat
	for _, keyword := range []string{"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "format"} {
		if _, found := keywords[keyword]; found && number == nil {
			number = rational(value)
		}
	}
	for _, bound := range []struct {
		key    string
		breaks func(int) bool
	}{
		{"minimum", func(order int) bool { return order < 0 }},
		{"maximum", func(order int) bool { return order > 0 }},
		{"exclusiveMinimum", func(order int) bool { return order <= 0 }},
		{"exclusiveMaximum", func(order int) bool { return order >= 0 }},
	} {
		if limit := rational(keywords[bound.key]); limit != nil && number != nil && bound.breaks(number.Cmp(limit)) {
			r.fault(path, "out of range")
		}
	}
	if step := rational(keywords["multipleOf"]); step != nil && number != nil && step.Sign() > 0 {
		if !new(big.Rat).Quo(number, step).IsInt() {
			r.fault(path, "must be a multiple of %v", keywords["multipleOf"])
		}
	}
	if limits, found := numberFormats[fmt.Sprint(keywords["format"])]; found && number != nil {
		if number.Cmp(big.NewRat(limits[0], 1)) < 0 || number.Cmp(big.NewRat(limits[1], 1)) > 0 {
			r.fault(path, "is no %v", keywords["format"])
		}
	}
	// Go reads 5.0 and 5e0 into no integer.
	if keywords["type"] == "integer" && strings.ContainsAny(string(value), ".eE") {
		r.changed = true
		return json.Number(whole(value).String())
	}
	// Go writes a large double in digits, as if it were an integer.
	if double, err := value.Float64(); r.mode == lenient && keywords["type"] == "number" && err == nil && hasLargeInteger([]byte(value)) {
		r.changed = true
		return json.Number(strconv.FormatFloat(double, 'e', -1, 64))
	}
	return value
}

func (r *reading) list(keywords map[string]any, value []any, path string) any {
	r.between(keywords, "minItems", "maxItems", len(value), path, "items")
	if keywords["uniqueItems"] == true {
		seen := make(map[string]bool, len(value))
		for _, item := range value {
			seen[canonical(item)] = true
		}
		if len(seen) < len(value) {
			r.fault(path, "must have no item twice")
		}
	}
	if wanted, found := keywords["contains"]; found {
		if !anyOf(value, func(one any) bool { return r.schemas.fits(wanted, one) }) {
			r.fault(path, "lacks an item that must be there")
		}
	}
	made := make([]any, len(value))
	for at, item := range value {
		schema, found := keywords["items"]
		if several, isList := schema.([]any); isList {
			if at < len(several) {
				schema = several[at]
			} else {
				schema, found = keywords["additionalItems"]
			}
		}
		made[at] = item
		if found {
			made[at] = r.read(schema, item, path+"/"+strconv.Itoa(at))
		}
	}
	return made
}

func (r *reading) object(keywords map[string]any, value map[string]any, path string) any {
	below := func(name string) string {
		return path + "/" + strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
	}
	known, _ := keywords["properties"].(map[string]any)
	patterns, _ := keywords["patternProperties"].(map[string]any)
	required := map[string]bool{}
	if names, found := keywords["required"].([]any); found {
		for _, name := range names {
			text, _ := name.(string)
			required[text] = true
			if _, found := value[text]; !found {
				r.fault(below(text), "required")
			}
		}
	}
	r.between(keywords, "minProperties", "maxProperties", len(value), path, "members")
	dependencies, _ := keywords["dependencies"].(map[string]any)
	for name, wanted := range dependencies {
		if _, found := value[name]; !found {
			continue
		}
		others, isList := wanted.([]any)
		if !isList {
			r.read(wanted, value, path)
		}
		for _, other := range others {
			text, _ := other.(string)
			if _, found := value[text]; !found {
				r.fault(below(text), "required beside %s", name)
			}
		}
	}
	names := make([]string, 0, len(value))
	for name := range value {
		names = append(names, name)
	}
	sort.Strings(names)
	// A struct has the members that are named; Go would take others for them by names in another case.
	_, mapped := keywords["additionalProperties"].(map[string]any)
	isStruct := len(known) > 0 && len(patterns) == 0 && !mapped
	made := make(map[string]any, len(value))
	for _, name := range names {
		member := value[name]
		schema, found := known[name]
		if r.mode == strict && isStruct && !found && keywords["additionalProperties"] != false && folds(known, name) {
			r.changed = true
			continue
		}
		if r.mode == lenient && member == nil && found && !required[name] && !r.schemas.fits(schema, nil) {
			r.changed = true
			continue
		}
		if rule, found := keywords["propertyNames"]; found {
			r.read(rule, name, below(name))
		}
		made[name] = member
		if found {
			made[name] = r.read(schema, member, below(name))
		}
		for pattern, matched := range patterns {
			if r.schemas.matches(pattern, name) {
				found = true
				made[name] = r.read(matched, member, below(name))
			}
		}
		if others, limited := keywords["additionalProperties"]; limited && !found {
			if others == false {
				r.fault(below(name), "unknown")
			} else {
				made[name] = r.read(others, member, below(name))
			}
		}
	}
	return made
}

// folds: the name is another only by its case.
func folds(known map[string]any, name string) bool {
	for other := range known {
		if strings.EqualFold(name, other) {
			return true
		}
	}
	return false
}

func (r *reading) combined(keywords map[string]any, value any, path string) any {
	if parts, found := keywords["allOf"].([]any); found {
		for _, part := range parts {
			value = r.read(part, value, path)
		}
	}
	for _, combiner := range []string{"oneOf", "anyOf"} {
		choices, found := keywords[combiner].([]any)
		if !found {
			continue
		}
		var fitting []reading
		var values []any
		var closest *reading
		for _, choice := range choices {
			attempt := reading{schemas: r.schemas, mode: r.mode}
			made := attempt.read(choice, value, path)
			if len(attempt.faults) == 0 {
				fitting = append(fitting, attempt)
				values = append(values, made)
			} else if closest == nil || depth(attempt.faults) > depth(closest.faults) {
				closest = &attempt
			}
		}
		switch {
		case len(fitting) == 0 && closest != nil:
			r.faults = append(r.faults, closest.faults...)
		case len(fitting) > 1 && combiner == "oneOf":
			r.fault(path, "fits more than one of the alternatives")
		case len(fitting) > 0:
			value = values[0]
			r.changed = r.changed || fitting[0].changed
		}
	}
	if refused, found := keywords["not"]; found && r.schemas.fits(refused, value) {
		r.fault(path, "is what must not stand here")
	}
	if condition, found := keywords["if"]; found {
		branch := "else"
		if r.schemas.fits(condition, value) {
			branch = "then"
		}
		if schema, found := keywords[branch]; found {
			value = r.read(schema, value, path)
		}
	}
	return value
}

// depth is how far an alternative came: one that failed deeper was nearer.
func depth(faults []Fault) int {
	return strings.Count(faults[0].Path, "/")*100 - len(faults)
}

// --- contracts

// server says who serves a contract's methods.
type server int

const (
	servedByPlugin server = iota
	servedByHost
)

// method is a method as the run-time knows it.
type method struct {
	name   string
	params any
	// A notification has no result.
	result, input, output any
	// errors makes the contract's errors, by code; none: any error is relayed.
	errors map[int64]func(*RemoteError) error
}

// contract is a contract of a document.
type contract struct {
	name    string
	schemas *schemas
	methods map[string]*method
}

func newContract(document *schemas, name string, by server) *contract {
	made := &contract{name: name, schemas: document, methods: map[string]*method{}}
	described, _ := document.at("/methods").([]any)
	if by == servedByHost {
		described, _ = document.at("/x-plugline/hostMethods").([]any)
	}
	for _, one := range described {
		object, _ := one.(map[string]any)
		wire, _ := object["name"].(string)
		if !strings.HasPrefix(wire, name+".") {
			continue
		}
		properties, required := map[string]any{}, []any{}
		params, _ := object["params"].([]any)
		for _, param := range params {
			member, _ := param.(map[string]any)
			called, _ := member["name"].(string)
			properties[called] = member["schema"]
			if member["required"] == true {
				required = append(required, called)
			}
		}
		known := &method{name: wire, errors: map[int64]func(*RemoteError) error{}}
		known.params = map[string]any{
			"type": "object", "properties": properties, "required": required, "additionalProperties": false,
		}
		if result, found := object["result"].(map[string]any); found {
			known.result = result["schema"]
		}
		if extension, found := object["x-plugline"].(map[string]any); found {
			known.input, known.output = extension["input"], extension["output"]
			if extension["errors"] == "any" {
				known.errors = nil
			}
		}
		made.methods[wire] = known
	}
	return made
}

// version is that of the contract in its own document.
func (c *contract) version() string {
	for _, list := range []string{"/x-plugline/provides", "/x-plugline/requires"} {
		named, _ := c.schemas.at(list).([]any)
		for _, one := range named {
			if each, _ := one.(map[string]any); each["contract"] == c.name {
				version, _ := each["version"].(string)
				return version
			}
		}
	}
	return "0.0.0"
}

// isCompatible says whether a version may stand for the one that is asked for: the same major, and no older.
func isCompatible(asked, provided string) bool {
	numbers := func(version string) (numbers [3]int) {
		plain := strings.FieldsFunc(version, func(r rune) bool { return r == '-' || r == '+' })
		if len(plain) > 0 {
			for at, number := range strings.SplitN(plain[0], ".", 3) {
				numbers[at], _ = strconv.Atoi(number) // what is no number is none
			}
		}
		return numbers
	}
	want, have := numbers(asked), numbers(provided)
	fixed := 3
	if want[0] > 0 {
		fixed = 1
	} else if want[1] > 0 {
		fixed = 2
	}
	for at := range want {
		if want[at] != have[at] {
			return at >= fixed && have[at] > want[at]
		}
	}
	return true
}

// described is a method as a document has it.
type described struct {
	Name      string
	Params    []descriptor
	Result    *descriptor
	Extension struct{ Input, Output any } `json:"x-plugline"`
}

// descriptor is a param or a result.
type descriptor struct {
	Name     string
	Required bool
	Schema   any
	// Ref is where it is described, which OpenRPC lets stand for it.
	Ref string `json:"$ref"`
}

func (s *schemas) described() ([]described, error) {
	var methods []described
	if err := json.Unmarshal(mustEncode(s.at("/methods")), &methods); err != nil {
		return nil, err
	}
	for m := range methods {
		for p := range methods[m].Params {
			if err := s.follow(&methods[m].Params[p]); err != nil {
				return nil, err
			}
		}
		if methods[m].Result != nil {
			if err := s.follow(methods[m].Result); err != nil {
				return nil, err
			}
		}
	}
	return methods, nil
}

func (s *schemas) follow(one *descriptor) error {
	if one.Ref == "" {
		return nil
	}
	return json.Unmarshal(mustEncode(s.at(one.Ref)), one)
}

// misfit is what a plugin's manifest says otherwise than the contract, and of which method; empty where it fits.
func (c *contract) misfit(manifest *schemas) string {
	own, err := c.schemas.described()
	if err != nil {
		return "its own document cannot be read: " + err.Error()
	}
	declared, err := manifest.described()
	if err != nil {
		return "its manifest cannot be read: " + err.Error()
	}
	for _, mine := range own {
		if c.methods[mine.Name] == nil {
			continue
		}
		fault := "it does not declare " + mine.Name
		for _, other := range declared {
			if other.Name == mine.Name {
				fault = mine.misfit(other, c.schemas, manifest)
				if fault != "" {
					fault = mine.Name + ": " + fault
				}
			}
		}
		if fault != "" {
			return fault
		}
	}
	return ""
}

func (d described) misfit(other described, document, manifest *schemas) string {
	if (d.Result == nil) != (other.Result == nil) {
		return "one side has it as a notification, the other as a method"
	}
	if (d.Extension.Input == nil) != (other.Extension.Input == nil) {
		return "only one side has an input stream"
	}
	if (d.Extension.Output == nil) != (other.Extension.Output == nil) {
		return "only one side has an output stream"
	}
	type part struct {
		name         string
		mine, theirs any
	}
	parts := []part{
		{"an item of the input", d.Extension.Input, other.Extension.Input},
		{"an item of the output", d.Extension.Output, other.Extension.Output},
	}
	if d.Result != nil {
		parts = append(parts, part{"the result", d.Result.Schema, other.Result.Schema})
	}
	required := map[string]bool{}
	for _, param := range d.Params {
		required[param.Name] = param.Required
		name, known := fmt.Sprintf("the param %q", param.Name), false
		for _, each := range other.Params {
			if each.Name == param.Name {
				known = true
				parts = append(parts, part{name, param.Schema, each.Schema})
			}
		}
		if !known {
			return name + ": the plugin does not take it"
		}
	}
	for _, param := range other.Params {
		if param.Required && !required[param.Name] {
			return fmt.Sprintf("the param %q: the plugin requires it", param.Name)
		}
	}
	for _, each := range parts {
		here, there := document.typesOf(each.mine, 8), manifest.typesOf(each.theirs, 8)
		if len(here) > 0 && len(there) > 0 && !anyOf(here, func(kind any) bool { return anyOf(there, func(other any) bool { return kind == other }) }) {
			return fmt.Sprintf("%s: %v here, %v in the plugin", each.name, here, there)
		}
	}
	return ""
}

// typesOf is the types of JSON that a schema plainly names. What is subtler is found when values are checked.
func (s *schemas) typesOf(schema any, depth int) []any {
	keywords, _ := schema.(map[string]any)
	if reference, found := keywords["$ref"].(string); found && depth > 0 {
		return s.typesOf(s.target(reference), depth-1)
	}
	named, isList := keywords["type"].([]any)
	if one, found := keywords["type"].(string); found && !isList {
		named = []any{one}
	}
	types := make([]any, len(named))
	for at, kind := range named {
		if types[at] = kind; kind == "integer" {
			types[at] = "number"
		}
	}
	return types
}

// fails says which error a code of a method stands for.
func (c *contract) fails(name string, code int64, make func(*RemoteError) error) {
	c.methods[name].errors[code] = make
}

type handler func(call *Call, params json.RawMessage) (any, error)

// Implementation is a contract and who implements it.
type Implementation struct {
	contract *contract
	handlers map[string]handler
}

// --- lines

// Limits is what a side accepts; a zero is the default.
type Limits struct {
	MaxLineBytes      int `json:"maxLineBytes"`
	MaxInFlight       int `json:"maxInFlight"`
	MaxDepth          int `json:"maxDepth"`
	StreamWindowBytes int `json:"streamWindowBytes"`
}

const lineBeforeHandshake = 1 << 20

func (l Limits) orDefault() Limits {
	for _, one := range []struct {
		value    *int
		fallback int
	}{{&l.MaxLineBytes, 16 << 20}, {&l.MaxInFlight, 64}, {&l.MaxDepth, 16}, {&l.StreamWindowBytes, 256 << 10}} {
		if *one.value == 0 {
			*one.value = one.fallback
		}
	}
	return l
}

// read takes a value of the protocol's own by the exact names of its members.
func read(schema any, text json.RawMessage, into any) []Fault {
	text, faults := (&schemas{patterns: map[string]*regexp.Regexp{}}).accept(schema, text)
	if len(faults) > 0 {
		return faults
	}
	if err := json.Unmarshal(text, into); err != nil {
		return []Fault{{Message: err.Error()}}
	}
	return nil
}

func limitsSchema() map[string]any {
	properties := map[string]any{}
	for name, least := range map[string]string{
		"maxLineBytes": "65536", "maxInFlight": "1", "maxDepth": "1", "streamWindowBytes": "65536",
	} {
		properties[name] = map[string]any{"type": "integer", "minimum": json.Number(least), "maximum": json.Number("9007199254740991")}
	}
	return map[string]any{"type": "object", "properties": properties}
}

// lines splits bytes on LF alone; what it holds is bounded by the limit.
type lines struct {
	reader *bufio.Reader
	first  bool
	// within: the end of a line was not read yet.
	within bool
}

var errLongLine = errors.New("a line over the limit")

// next is a line without its LF and the CR before it, and its cost on the wire. A line over the limit is not waited for:
// its error comes with what was read of it.
func (l *lines) next(limit func() int) (line []byte, cost int, err error) {
	for {
		chunk, err := l.reader.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, 0, err // an unterminated last line is discarded
		}
		line = append(line, chunk...)
		l.within = err != nil
		if len(line)-boolToInt(!l.within) > limit() {
			l.first = false
			return nil, len(line), errLongLine
		}
		if l.within {
			continue
		}
		cost = len(line)
		line = line[:cost-1]
		if l.first {
			line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
		}
		l.first = false
		return bytes.TrimSuffix(line, []byte("\r")), cost, nil
	}
}

// skip reads to the end of a line that was not waited for, and gives how long that was.
func (l *lines) skip() (size int, err error) {
	for l.within {
		chunk, err := l.reader.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return size, err
		}
		size += len(chunk)
		l.within = err != nil
	}
	return size, nil
}

func boolToInt(value bool) int {
	if value {
		return 1
	}
	return 0
}

// outbox writes whole lines, from one goroutine: whoever reads never waits for a write.
type outbox struct {
	mutex  sync.Mutex
	change *sync.Cond
	queued []byte
	// own is how much of what is queued the reader itself had to say.
	own int
	// writing is how much of what was queued is being written.
	writing int
	closed  bool
	to      io.WriteCloser
}

// Each has its own room: a queue that callers filled takes none from the reader.
const (
	roomForCallers = 8 << 20
	roomForReader  = 8 << 20
)

func newOutbox(to io.WriteCloser, failed func(error)) *outbox {
	o := &outbox{to: to}
	o.change = sync.NewCond(&o.mutex)
	go o.run(failed)
	return o
}

func (o *outbox) run(failed func(error)) {
	for {
		o.mutex.Lock()
		for len(o.queued) == 0 && !o.closed {
			o.change.Wait()
		}
		batch := o.queued
		o.queued, o.own, o.writing = nil, 0, len(batch)
		ended := o.closed
		o.mutex.Unlock()
		if len(batch) == 0 && ended {
			_ = o.to.Close() // nobody is there to be told
			o.mutex.Lock()
			o.change.Broadcast()
			o.mutex.Unlock()
			return
		}
		_, err := o.to.Write(batch)
		o.mutex.Lock()
		o.writing = 0
		o.change.Broadcast()
		o.mutex.Unlock()
		if err != nil {
			failed(err)
			o.close()
		}
	}
}

// put queues a line once there is room; done ends the wait.
func (o *outbox) put(line []byte, done <-chan struct{}) error {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	if err := o.wait(len(line), done); err != nil {
		return err
	}
	o.append(line)
	return nil
}

// room waits until there is room for a line, for whoever then queues it with a lock in hand.
func (o *outbox) room(size int, done <-chan struct{}) error {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.wait(size, done)
}

func (o *outbox) wait(size int, done <-chan struct{}) error {
	isFull := func() bool { return len(o.queued) > o.own && len(o.queued)-o.own+size > roomForCallers }
	if isFull() {
		stop := make(chan struct{})
		defer close(stop)
		go func() {
			select {
			case <-done:
				o.mutex.Lock()
				o.change.Broadcast()
				o.mutex.Unlock()
			case <-stop:
			}
		}()
		for isFull() && !o.closed && !isDone(done) {
			o.change.Wait()
		}
		if isDone(done) {
			return context.Canceled
		}
	}
	return nil
}

// putNow queues what the reader itself has to say: false where even for that there is no room.
func (o *outbox) putNow(line []byte) bool {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	if o.own > roomForReader {
		return false
	}
	o.append(line)
	o.own += len(line) + 1
	return true
}

// add queues a line whose room was waited for.
func (o *outbox) add(line []byte) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.append(line)
}

func (o *outbox) append(line []byte) {
	if !o.closed {
		o.queued = append(append(o.queued, line...), '\n')
		o.change.Broadcast()
	}
}

func (o *outbox) close() {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.closed = true
	o.change.Broadcast()
}

// drain waits until everything is written, for at most this long.
func (o *outbox) drain(patience time.Duration) {
	timer := time.AfterFunc(patience, o.close)
	defer timer.Stop()
	o.mutex.Lock()
	defer o.mutex.Unlock()
	for (len(o.queued) > 0 || o.writing > 0) && !o.closed {
		o.change.Wait()
	}
}

func isDone(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// --- streams

// sender sends the items of one stream, as far as there is credit.
type sender struct {
	connection *connection
	method     string
	id         json.RawMessage
	most       int
	// ended is closed when nothing is sent any more.
	ended  chan struct{}
	mutex  sync.Mutex
	change *sync.Cond
	credit int
	failed error
	// starved is why no more credit comes.
	starved error
}

func newSender(c *connection, theirs Limits, method string, id json.RawMessage) *sender {
	s := &sender{connection: c, method: method, id: id, credit: theirs.StreamWindowBytes, ended: make(chan struct{})}
	s.most = min(theirs.StreamWindowBytes-1, theirs.MaxLineBytes)
	s.change = sync.NewCond(&s.mutex)
	return s
}

func (s *sender) send(item json.RawMessage) error {
	line := mustEncode(map[string]any{
		"jsonrpc": "2.0", "method": s.method, "params": map[string]any{"id": s.id, "items": []json.RawMessage{item}},
	})
	if len(line) > s.most {
		return protocolError(codeTooLarge, map[string]any{"limit": s.most, "size": len(line)})
	}
	// Before the lock: who ends the stream must not wait for a peer that reads nothing.
	full := s.connection.out.room(len(line), s.ended)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for s.credit <= 0 && s.failed == nil && s.starved == nil {
		s.change.Wait()
	}
	switch {
	case s.failed != nil:
		return s.failed
	case full != nil:
		return full
	case s.credit <= 0:
		return s.starved
	}
	s.credit -= len(line) + 1
	// Under the lock, so that nothing follows the end of the stream; credit bounds what is queued meanwhile.
	s.connection.out.add(line)
	return nil
}

func (s *sender) grant(bytes int) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.credit += bytes
	s.change.Broadcast()
}

func (s *sender) fail(err error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.failed == nil {
		s.failed = err
		close(s.ended)
	}
	s.change.Broadcast()
}

// starve: what there is credit for may still be sent.
func (s *sender) starve(err error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.starved = err
	s.change.Broadcast()
}

type received struct {
	items []json.RawMessage
	cost  int
}

// inbox is what a receiver makes of stream lines: room for a window, and credit as items are taken.
type inbox struct {
	window int
	grant  func(bytes int)
	mutex  sync.Mutex
	change *sync.Cond
	queue  []received
	room   int
	taken  int
	ended  bool
	// complete: its sender ended it.
	complete bool
	failed   error
}

func newInbox(window int, grant func(bytes int)) *inbox {
	i := &inbox{window: window, grant: grant, room: window}
	i.change = sync.NewCond(&i.mutex)
	return i
}

// put takes a line; false: there was no credit for it, or its sender had ended it.
func (i *inbox) put(items []json.RawMessage, cost int) bool {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	if i.ended {
		return !i.complete // it crossed with the end
	}
	if i.room <= 0 || cost > i.window {
		return false
	}
	i.room -= cost
	i.queue = append(i.queue, received{items, cost})
	i.change.Broadcast()
	return true
}

// end: what was put in is still taken, then the end, or this error.
func (i *inbox) end(err error) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	if !i.ended {
		i.ended, i.complete, i.failed = true, err == nil, err
	}
	i.change.Broadcast()
}

// drop: nothing more is taken.
func (i *inbox) drop(err error) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	i.queue, i.ended, i.failed = nil, true, err
	i.change.Broadcast()
}

// next is an item; none and no error: the end.
func (i *inbox) next() (json.RawMessage, error) {
	i.mutex.Lock()
	for {
		if len(i.queue) > 0 {
			head := &i.queue[0]
			var item json.RawMessage
			// Each item has its share of what its line cost.
			share := head.cost
			if len(head.items) > 0 {
				item, share = head.items[0], head.cost/len(head.items)
				head.items, head.cost = head.items[1:], head.cost-share
			}
			if len(head.items) == 0 {
				i.queue = i.queue[1:]
			}
			i.taken += share
			granted := 0
			if i.taken >= i.window/2 {
				granted, i.taken = i.taken, 0
				i.room += granted
			}
			i.mutex.Unlock()
			if granted > 0 {
				i.grant(granted)
			}
			if item != nil {
				return item, nil
			}
			i.mutex.Lock()
			continue
		}
		if i.ended {
			err := i.failed
			i.mutex.Unlock()
			return nil, err
		}
		i.change.Wait()
	}
}

// None is for a stream that has no input, no output, or no result.
type None = struct{}

// Input is what a method is sent.
type Input[T any] struct {
	call *Call
	item T
	err  error
}

// Next takes the next item; false at the end, or after a failure, which Err tells.
func (i *Input[T]) Next() bool {
	if i.err != nil {
		return false
	}
	raw, err := i.call.inbox.next()
	if err != nil || raw == nil {
		i.err = err
		return false
	}
	text, faults := i.call.contract.schemas.accept(i.call.method.input, raw)
	if len(faults) > 0 {
		i.err = invalidParams(faults)
		return false
	}
	var item T
	if err := json.Unmarshal(text, &item); err != nil {
		i.err = invalidParams([]Fault{{Message: err.Error()}})
		return false
	}
	i.item = item
	return true
}

// Item is what Next took.
func (i *Input[T]) Item() T {
	return i.item
}

// Err is why there are no more items; none at the end. A method returns it.
func (i *Input[T]) Err() error {
	return i.err
}

// Output is what a method sends.
type Output[T any] struct {
	call *Call
}

// Send sends an item as soon as the caller takes it. Its error ends the method: return it.
func (o *Output[T]) Send(item T) error {
	text, err := o.call.contract.schemas.offer(o.call.method.output, item, withinItems)
	if err != nil {
		return fmt.Errorf("%s made an item that its contract does not let through: %w", o.call.method.name, err)
	}
	err = o.call.sender.send(text)
	var tooLarge *RemoteError
	if errors.As(err, &tooLarge) && tooLarge.Code == codeTooLarge {
		o.call.stop(tooLarge)
	}
	return err
}

// Stream is a call with items. Whoever has one ends it: by taking all, with Finish, or with Close.
type Stream[In, Out, Result any] struct {
	connection *connection
	contract   *contract
	pending    *pending
	// followed is closed when the call has ended, and all of its progress was told.
	followed chan struct{}
	item     Out
	err      error
}

// Send sends an item of the input as soon as the plugin takes it.
func (s *Stream[In, Out, Result]) Send(item In) error {
	text, err := s.contract.schemas.offer(s.pending.method.input, item, withinItems)
	if err != nil {
		return failure(KindInvalidRequest, "%s: an item that its contract does not let through: %v", s.pending.name, err)
	}
	err = s.pending.sender.send(text)
	var tooLarge *RemoteError
	if errors.As(err, &tooLarge) && tooLarge.Code == codeTooLarge {
		err = failure(KindTooLarge, "%s: an item that cannot fit: %s", s.pending.name, tooLarge.Data)
		s.connection.end(s.pending, err)
	}
	return err
}

// CloseSend ends the input.
func (s *Stream[In, Out, Result]) CloseSend() {
	s.connection.endInput(s.pending)
}

// Next takes the next item of the output; false at the end, or after a failure, which Finish tells.
func (s *Stream[In, Out, Result]) Next() bool {
	if s.err != nil || s.pending.inbox == nil {
		return false
	}
	raw, err := s.pending.inbox.next()
	if err != nil || raw == nil {
		return false
	}
	var item Out
	if err := s.connection.read(s.contract, s.pending.name, s.pending.method.output, raw, &item); err != nil {
		s.err = err
		s.Close()
		return false
	}
	s.item = item
	return true
}

// Item is what Next took.
func (s *Stream[In, Out, Result]) Item() Out {
	return s.item
}

// Finish ends the input, takes what is left of the output, and gives the result.
func (s *Stream[In, Out, Result]) Finish() (Result, error) {
	var result Result
	s.CloseSend()
	for s.Next() {
	}
	if s.err != nil {
		return result, s.err
	}
	<-s.followed
	if s.pending.err != nil {
		return result, s.pending.err
	}
	err := s.connection.read(s.contract, s.pending.name, s.pending.method.result, s.pending.result, &result)
	return result, err
}

// Close cancels the call, unless it has ended.
func (s *Stream[In, Out, Result]) Close() {
	s.connection.end(s.pending, failure(KindCancelled, "%s was cancelled: its stream was closed", s.pending.name))
}

// --- calls

// Progress is how far a call is.
type Progress struct {
	Progress float64  `json:"progress"`
	Total    *float64 `json:"total,omitempty"`
	Message  string   `json:"message,omitempty"`
}

// Log is what a plugin writes to the host's log: the level is trace, debug, info, warn or error.
type Log struct {
	Level   string         `json:"level"`
	Message string         `json:"message"`
	Target  string         `json:"target,omitempty"`
	Fields  map[string]any `json:"fields,omitempty"`
}

type progressKey struct{}

// WithProgress has a function told how far the calls made with this context are; a call without items returns when it has.
func WithProgress(ctx context.Context, told func(Progress)) context.Context {
	return context.WithValue(ctx, progressKey{}, told)
}

type callKey struct{}

// CallOf is the call that a context was made for: a handler's. None elsewhere.
func CallOf(ctx context.Context) *Call {
	call, _ := ctx.Value(callKey{}).(*Call)
	return call
}

// Caller is whom a client calls: a plugin, or the host.
type Caller interface {
	caller() (*connection, *Call, time.Duration)
}

// Host is the host, as the clients of a handler call it.
func Host(ctx context.Context) Caller {
	return CallOf(ctx)
}

// Call is a request that is being handled.
type Call struct {
	connection *connection
	contract   *contract
	method     *method
	id         json.RawMessage
	depth      int
	parent     *pending
	ctx        context.Context
	cancel     context.CancelCauseFunc
	inbox      *inbox
	sender     *sender
	mutex      sync.Mutex
	answered   bool
	stopped    *RemoteError
	progress   float64
}

func (c *Call) caller() (*connection, *Call, time.Duration) {
	switch {
	case c == nil:
		return nil, nil, 0
	case c.id == nil: // a notification is nobody's parent
		return c.connection, nil, 0
	default:
		return c.connection, c, 0
	}
}

// Progress tells the caller how far the call is, total where it is above zero. It never goes back.
func (c *Call) Progress(progress, total float64, message string) {
	if c.connection.side == servedByPlugin && !c.connection.has("progress") || c.id == nil {
		return
	}
	if math.IsNaN(progress) || math.IsInf(progress, 0) || math.IsInf(total, 0) {
		return
	}
	params := map[string]any{"id": c.id, "progress": progress}
	if total > 0 {
		params["total"] = total
	}
	if message != "" {
		params["message"] = message
	}
	line := mustEncode(map[string]any{"jsonrpc": "2.0", "method": "rpc.progress", "params": params})
	if len(line) > c.connection.accepted().MaxLineBytes || c.connection.out.room(len(line), c.ctx.Done()) != nil {
		return
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.answered || progress < c.progress {
		return
	}
	c.progress = progress
	// Under the lock, so that it comes before the answer.
	c.connection.out.add(line)
}

// Log writes to the host's log.
func (c *Call) Log(level, message string, fields map[string]any) {
	c.connection.log(Log{Level: level, Message: message, Fields: fields})
}

// isProtocol: it has no contract, and no handler of the user's.
func (c *Call) isProtocol() bool {
	return c.contract == nil
}

// isLast: it is answered when no other is left.
func (c *Call) isLast() bool {
	return c.method.name == "rpc.shutdown"
}

func (c *Call) stoppedBy() *RemoteError {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.stopped
}

func (c *Call) stop(err *RemoteError) {
	c.mutex.Lock()
	first := c.stopped == nil && !c.answered
	if first {
		c.stopped = err
	}
	c.mutex.Unlock()
	if !first {
		return
	}
	if c.inbox != nil {
		c.inbox.drop(err)
	}
	if c.sender != nil {
		c.sender.fail(err)
	}
	c.cancel(err)
}

// pending is a request that has no answer yet.
type pending struct {
	name   string
	method *method
	depth  int
	parent *Call
	// apply takes the result where it is read, before anything that comes after it.
	apply func(result json.RawMessage) error
	told  func(Progress)
	// progressed is what is still to be told.
	progressed chan Progress
	inbox      *inbox
	sender     *sender
	// deadline is zero where there is none.
	deadline time.Time
	// ended is closed once the call has ended for its caller; result and err are set before.
	ended  chan struct{}
	result json.RawMessage
	err    error
	// Guarded by the connection.
	id         int64
	sent       bool
	over       bool
	place      bool
	inputEnded bool
	progress   float64
	// cancelled is why its caller gave it up, while the answer is waited for.
	cancelled  error
	unanswered *time.Timer
}

// follow tells of progress until the call has ended.
func (p *pending) follow() {
	for {
		select {
		case progress := <-p.progressed:
			p.told(progress)
			continue
		default:
		}
		select {
		case progress := <-p.progressed:
			p.told(progress)
		case <-p.ended:
			if len(p.progressed) == 0 {
				return
			}
		}
	}
}

// role is what a side makes of the messages that are its own.
type role interface {
	lifecycle(method string) *RemoteError
	// protocol is what answers a request of the protocol's own; none: there is no such method here.
	protocol(method string) func(call *Call, params json.RawMessage)
	logged(log Log, cost int)
	stray(line []byte)
	broken(err *Failure)
	unhealthy(method string)
}

type servedMethod struct {
	method   *method
	contract *contract
	handle   handler
}

// connection is one end of the protocol.
type connection struct {
	side  server
	ours  Limits
	role  role
	out   *outbox
	mutex sync.Mutex // guards everything below; nothing of the user runs under it
	// places is told of every place that becomes free, and of the end.
	places      *sync.Cond
	theirs      Limits
	features    map[string]bool
	hostMethods map[string]bool
	served      map[string]servedMethod
	lineLimit   int
	pendings    map[int64]*pending
	calls       map[string]*Call
	// answering is how many answers are on their way into the outbox.
	answering int
	load      map[int]int
	used      map[int]int
	nextID    int64
	lane      chan struct{}
	laneBytes int
	closed    error
	// patience is for the answer to a call that has ended for its caller.
	patience time.Duration
}

func newConnection(side server, limits Limits, role role, to io.WriteCloser, failed func(error)) *connection {
	lane := make(chan struct{})
	close(lane)
	c := &connection{
		side: side, ours: limits.orDefault(), role: role,
		theirs: Limits{MaxLineBytes: lineBeforeHandshake}.orDefault(), features: map[string]bool{},
		hostMethods: map[string]bool{}, served: map[string]servedMethod{}, lineLimit: lineBeforeHandshake,
		pendings: map[int64]*pending{}, calls: map[string]*Call{}, load: map[int]int{}, used: map[int]int{},
		lane: lane, patience: 5 * time.Second,
	}
	c.places = sync.NewCond(&c.mutex)
	c.out = newOutbox(to, failed)
	return c
}

func (c *connection) serve(implementations []Implementation) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for _, implementation := range implementations {
		for name, handle := range implementation.handlers {
			c.served[name] = servedMethod{implementation.contract.methods[name], implementation.contract, handle}
		}
	}
}

func (c *connection) accepted() Limits {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.theirs
}

func (c *connection) has(feature string) bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.features[feature]
}

// tell sends a notification of the protocol; one that is too long is dropped, and so is one for which there is no room.
func (c *connection) tell(method string, params any) {
	line := mustEncode(map[string]any{"jsonrpc": "2.0", "method": method, "params": params})
	if len(line) <= c.accepted().MaxLineBytes && !c.out.putNow(line) {
		c.role.broken(failure(KindOverloaded, "the other side reads nothing"))
	}
}

func (c *connection) log(log Log) {
	if c.side == servedByPlugin && c.has("log") {
		line, err := encode(map[string]any{"jsonrpc": "2.0", "method": "rpc.log", "params": log})
		if err == nil && len(line) <= c.accepted().MaxLineBytes && unsound(line, deepest) == nil && !hasLargeInteger(line) {
			_ = c.out.put(line, nil) // whoever waits for room ends with the connection
		}
	}
}

func (c *connection) answerLine(id json.RawMessage, result json.RawMessage, err *RemoteError) []byte {
	answer := map[string]any{"jsonrpc": "2.0", "id": id}
	if err != nil {
		answer["error"] = err
	} else {
		answer["result"] = result
	}
	line := mustEncode(answer)
	if limit := c.accepted().MaxLineBytes; len(line) > limit {
		answer = map[string]any{"jsonrpc": "2.0", "id": id}
		answer["error"] = protocolError(codeTooLarge, map[string]any{"limit": limit, "size": len(line)})
		line = mustEncode(answer)
	}
	return line
}

// refuse answers from the reader itself.
func (c *connection) refuse(id json.RawMessage, err *RemoteError) {
	if id == nil {
		id = json.RawMessage("null")
	}
	if !c.out.putNow(c.answerLine(id, nil, err)) {
		c.role.broken(failure(KindOverloaded, "the other side reads nothing"))
	}
}

// Calling.

// begin sends a request, once the receiver has a place for it. The caller ends it with its context.
func (c *connection) begin(ctx context.Context, p *pending, params json.RawMessage) {
	stop := context.AfterFunc(ctx, func() { c.giveUp(ctx, p) })
	go func() {
		<-p.ended
		stop()
	}()
	isProtocol := strings.HasPrefix(p.name, "rpc.")
	c.mutex.Lock()
	if p.method != nil && p.method.input != nil {
		p.sender = newSender(c, c.theirs, "rpc.input", nil)
	}
	for !isProtocol && c.used[p.depth] >= c.theirs.MaxInFlight && !p.over && c.closed == nil {
		c.places.Wait()
	}
	closed := c.closed
	if p.over || closed != nil {
		c.mutex.Unlock()
		if closed != nil {
			c.end(p, closed)
		}
		return
	}
	p.id = c.nextID
	c.nextID++
	if p.sender != nil {
		p.sender.id = mustEncode(p.id)
	}
	meta := map[string]any{}
	if deadline, found := ctx.Deadline(); found && p.name != "rpc.initialize" {
		meta["deadlineMs"] = max(0, time.Until(deadline).Milliseconds())
		p.deadline = deadline
	}
	if p.parent != nil {
		meta["parent"] = p.parent.id
	}
	line := mustEncode(map[string]any{"jsonrpc": "2.0", "id": p.id, "method": p.name, "params": withMeta(params, meta)})
	if limit := c.theirs.MaxLineBytes; len(line) > limit {
		c.mutex.Unlock()
		c.end(p, failure(KindTooLarge, "%s has %d bytes, over the receiver's limit of %d", p.name, len(line), limit))
		return
	}
	if !isProtocol {
		c.used[p.depth]++
		p.place = true
	}
	c.pendings[p.id] = p
	c.mutex.Unlock()
	err := c.out.put(line, p.ended)
	c.mutex.Lock()
	p.sent = err == nil
	if err != nil {
		c.release(p) // nobody will answer it
	}
	over := p.over
	c.mutex.Unlock()
	if over {
		c.dismiss(p)
	}
}

// release gives up the place of a request that was answered, or will not be. Needs the lock.
func (c *connection) release(p *pending) {
	delete(c.pendings, p.id)
	if p.place {
		p.place = false
		c.used[p.depth]--
		c.places.Broadcast()
	}
	if p.unanswered != nil {
		p.unanswered.Stop()
	}
}

func contextFailure(ctx context.Context, name string) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return failure(KindTimeout, "%s was not answered in time", name)
	}
	return failure(KindCancelled, "%s was cancelled", name)
}

func withMeta(params json.RawMessage, meta map[string]any) json.RawMessage {
	if len(meta) == 0 {
		return params
	}
	text := mustEncode(map[string]any{"_meta": meta})
	if inner := bytes.TrimSpace(params[1 : len(params)-1]); len(inner) > 0 {
		return append(append(append([]byte("{"), inner...), ','), text[1:]...)
	}
	return text
}

// giveUp: a call whose deadline passed ends at once. One that its user cancels at a plugin that heeds it ends with what
// the plugin answers to that, for its work may be done already.
func (c *connection) giveUp(ctx context.Context, p *pending) {
	err := contextFailure(ctx, p.name)
	c.mutex.Lock()
	waits := c.side == servedByHost && c.features["cancel"] && errors.Is(ctx.Err(), context.Canceled) && !p.over && c.isUnanswered(p)
	if waits {
		p.cancelled = err
	}
	c.mutex.Unlock()
	if !waits {
		c.end(p, err)
		return
	}
	c.dismiss(p)
	c.cancelNested(p)
}

// isUnanswered: it was sent, and an answer is still to come. Needs the lock.
func (c *connection) isUnanswered(p *pending) bool {
	return p.sent && c.closed == nil && c.pendings[p.id] == p
}

// dismiss says, once, that nobody needs an answer. One that does not come all the same makes the other side unhealthy.
func (c *connection) dismiss(p *pending) {
	c.mutex.Lock()
	if p.unanswered != nil || !c.isUnanswered(p) {
		c.mutex.Unlock()
		return
	}
	p.unanswered = time.AfterFunc(c.patience, func() {
		c.end(p, p.cancelled)
		c.role.unhealthy(p.name)
	})
	heeds := c.side == servedByPlugin || c.features["cancel"]
	c.mutex.Unlock()
	if heeds && p.name != "rpc.initialize" {
		c.tell("rpc.cancel", map[string]any{"id": p.id})
	}
}

// cancelNested stops what the other side asked for as part of a call.
func (c *connection) cancelNested(p *pending) {
	c.mutex.Lock()
	var nested []*Call
	for _, call := range c.calls {
		if call.parent == p {
			nested = append(nested, call)
		}
	}
	c.mutex.Unlock()
	for _, call := range nested {
		call.stop(protocolError(codeCancelled, nil))
	}
}

// end ends a call for its caller; its place stays taken until it is answered.
func (c *connection) end(p *pending, err error) {
	c.mutex.Lock()
	if p.over {
		c.mutex.Unlock()
		return
	}
	p.over = true
	p.err = err
	s := p.sender
	c.places.Broadcast()
	c.mutex.Unlock()
	close(p.ended)
	if p.inbox != nil {
		p.inbox.drop(err)
	}
	if s != nil {
		s.fail(err)
	}
	c.dismiss(p)
	c.cancelNested(p)
}

func (c *connection) endInput(p *pending) {
	c.mutex.Lock()
	tell := p.sender != nil && !p.inputEnded && !p.over && p.sent
	p.inputEnded = true
	c.mutex.Unlock()
	if tell {
		line := mustEncode(map[string]any{"jsonrpc": "2.0", "method": "rpc.inputEnd", "params": map[string]any{"id": p.id}})
		_ = c.out.put(line, p.ended) // a call that has ended needs no end of its input
	}
}

// read decodes what came back.
func (c *connection) read(of *contract, name string, schema any, raw json.RawMessage, into any) error {
	text, faults := of.schemas.accept(schema, raw)
	if len(faults) > 0 {
		return failure(KindProtocolViolation, "%s answered what its contract does not let through: %q %s", name, faults[0].Path, faults[0].Message)
	}
	if _, isNone := into.(*None); isNone {
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return failure(KindProtocolViolation, "%s answered what Go cannot hold: %v", name, err)
	}
	return nil
}

func prepare(ctx context.Context, caller Caller, of *contract, name string, params any) (*connection, *pending, json.RawMessage, context.Context, context.CancelFunc, error) {
	connection, parent, patience := caller.caller()
	if connection == nil {
		return nil, nil, nil, nil, nil, failure(KindInvalidRequest, "%s: Host takes the context of a handler", name)
	}
	method := of.methods[name]
	if connection.side == servedByPlugin {
		connection.mutex.Lock()
		known := connection.hostMethods[name]
		connection.mutex.Unlock()
		if !known {
			missing := &RemoteError{Code: codeNoMethod, Message: "the host has no " + name}
			return nil, nil, nil, nil, nil, missing
		}
	}
	text, err := of.schemas.offer(method.params, params, withinMessage)
	if err != nil {
		return nil, nil, nil, nil, nil, failure(KindInvalidRequest, "%s: %v", name, err)
	}
	told, _ := ctx.Value(progressKey{}).(func(Progress))
	if method.input != nil || method.output != nil {
		if connection.side == servedByHost && !connection.has("streams") {
			return nil, nil, nil, nil, nil, failure(KindUnsupported, "%s: the plugin does not declare streams", name)
		}
	}
	p := &pending{name: name, method: method, parent: parent, told: told, ended: make(chan struct{})}
	p.progress, p.progressed = math.Inf(-1), make(chan Progress, 64)
	if parent != nil {
		p.depth = parent.depth + 1
	}
	stop := func() {}
	if _, bounded := ctx.Deadline(); !bounded && patience > 0 {
		ctx, stop = context.WithTimeout(ctx, patience)
	}
	return connection, p, text, ctx, stop, nil
}

// request makes a call and waits for its result.
func request[Result any](ctx context.Context, caller Caller, of *contract, name string, params any) (Result, error) {
	var result Result
	connection, p, text, ctx, stop, err := prepare(ctx, caller, of, name, params)
	if err != nil {
		return result, err
	}
	defer stop()
	connection.begin(ctx, p, text)
	p.follow()
	if p.err != nil {
		return result, p.err
	}
	err = connection.read(of, name, p.method.result, p.result, &result)
	return result, err
}

// stream makes a call with items.
func stream[In, Out, Result any](ctx context.Context, caller Caller, of *contract, name string, params any) (*Stream[In, Out, Result], error) {
	connection, p, text, ctx, stop, err := prepare(ctx, caller, of, name, params)
	if err != nil {
		return nil, err
	}
	if p.method.output != nil {
		p.inbox = newInbox(connection.ours.StreamWindowBytes, func(bytes int) {
			if !isDone(p.ended) {
				connection.tell("rpc.outputCredit", map[string]any{"id": p.id, "bytes": bytes})
			}
		})
	}
	connection.begin(ctx, p, text)
	followed := make(chan struct{})
	go func() {
		p.follow()
		stop()
		close(followed)
	}()
	if isDone(p.ended) && !p.sent {
		return nil, p.err
	}
	return &Stream[In, Out, Result]{connection: connection, contract: of, pending: p, followed: followed}, nil
}

// notify sends a notification.
func notify(ctx context.Context, caller Caller, of *contract, name string, params any) error {
	connection, p, text, ctx, stop, err := prepare(ctx, caller, of, name, params)
	if err != nil {
		return err
	}
	defer stop()
	meta := map[string]any{}
	if p.parent != nil {
		meta["parent"] = p.parent.id
	}
	line := mustEncode(map[string]any{"jsonrpc": "2.0", "method": name, "params": withMeta(text, meta)})
	if limit := connection.accepted().MaxLineBytes; len(line) > limit {
		return failure(KindTooLarge, "%s has %d bytes, over the receiver's limit of %d", name, len(line), limit)
	}
	connection.mutex.Lock()
	closed := connection.closed
	connection.mutex.Unlock()
	if closed != nil {
		return closed
	}
	return connection.out.put(line, ctx.Done())
}

// ask is a request of the protocol itself: it takes no place.
func (c *connection) ask(name string, params any, patience time.Duration) (json.RawMessage, error) {
	return c.askThen(name, mustEncode(params), patience, nil)
}

// askThen applies the result before anything that comes after it is read.
func (c *connection) askThen(name string, params json.RawMessage, patience time.Duration, apply func(json.RawMessage) error) (json.RawMessage, error) {
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	p := &pending{name: name, apply: apply, ended: make(chan struct{})}
	c.begin(ctx, p, params)
	<-p.ended
	return p.result, p.err
}

// Receiving.

// run reads until the end of the input.
func (c *connection) run(from io.Reader) {
	reader := &lines{reader: bufio.NewReaderSize(from, 64<<10), first: true}
	limit := func() int {
		c.mutex.Lock()
		defer c.mutex.Unlock()
		return c.lineLimit
	}
	for {
		line, cost, err := reader.next(limit)
		switch {
		case errors.Is(err, errLongLine) && c.side == servedByHost:
			c.role.broken(failure(KindTooLarge, "a line over the limit of %d bytes", limit()))
			return
		case errors.Is(err, errLongLine):
			more, err := reader.skip()
			if err != nil {
				return
			}
			c.refuse(nil, protocolError(codeTooLarge, map[string]any{"limit": limit(), "size": cost + more - 1}))
		case err != nil:
			return
		case len(bytes.Trim(line, " \t\r")) > 0:
			c.line(line, cost)
		}
	}
}

var validInteger = regexp.MustCompile(`^[0-9]+$`)

// validID: an integer without fraction and exponent, or a text that is not too long.
func validID(raw json.RawMessage) bool {
	if validInteger.Match(raw) {
		number, err := strconv.ParseUint(string(raw), 10, 64)
		return err == nil && number < 1<<53
	}
	var text string
	return len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &text) == nil && len(text) <= 256 && !hasLoneSurrogate(raw)
}

// idKey is equal for ids that are equal, however they are escaped.
func idKey(raw json.RawMessage) string {
	if len(raw) > 0 && raw[0] == '"' {
		var text string
		if json.Unmarshal(raw, &text) == nil {
			return "s" + text
		}
	}
	return "n" + string(raw)
}

// hasLoneSurrogate: Go would take one for U+FFFD.
func hasLoneSurrogate(text []byte) bool {
	unit := func(at int) (uint64, bool) {
		if at+6 > len(text) || text[at] != '\\' || text[at+1] != 'u' {
			return 0, false
		}
		value, err := strconv.ParseUint(string(text[at+2:at+6]), 16, 32)
		return value, err == nil
	}
	for at := 0; at < len(text); at++ {
		if text[at] != '\\' {
			continue
		}
		value, isUnit := unit(at)
		switch {
		case !isUnit:
			at++
		case value >= 0xd800 && value < 0xdc00:
			low, follows := unit(at + 6)
			if !follows || low < 0xdc00 || low > 0xdfff {
				return true
			}
			at += 11
		case value >= 0xdc00 && value <= 0xdfff:
			return true
		default:
			at += 5
		}
	}
	return false
}

func (c *connection) line(line []byte, cost int) {
	var message map[string]json.RawMessage
	var isObject bool
	if c.side == servedByHost {
		line = shallow(line)
	}
	if utf8.Valid(line) {
		err := json.Unmarshal(line, &message)
		isObject = err == nil && message != nil
		if !isObject && !json.Valid(line) {
			c.invalid(nil, codeParse, line)
			return
		}
	} else {
		c.invalid(nil, codeParse, line)
		return
	}
	if !isObject {
		c.invalid(nil, codeInvalidRequest, line)
		return
	}
	id, hasID := message["id"]
	rawMethod, hasMethod := message["method"]
	_, hasResult := message["result"]
	_, hasError := message["error"]
	ends := boolToInt(hasResult) + boolToInt(hasError)
	name, isText := textOf(rawMethod)
	version, _ := textOf(message["jsonrpc"])
	versioned := version == "2.0"
	params, hasParams := message["params"]
	if !hasParams {
		params = json.RawMessage("{}")
	}
	if isText && !hasID && ends == 0 {
		if versioned && params[0] == '{' {
			c.notified(name, params, cost)
		}
		return
	}
	valid := validID(id)
	if remote, isGood := errorOf(message); !hasMethod && ends == 1 && valid && versioned && isGood {
		c.answered(id, message["result"], remote)
		return
	}
	c.mutex.Lock()
	_, inFlight := c.calls[idKey(id)]
	c.mutex.Unlock()
	switch {
	case !hasMethod || ends > 0 || !valid || inFlight:
		c.invalid(nil, codeInvalidRequest, line)
	case !versioned || !isText || params[0] != '{' && params[0] != '[':
		c.invalid(id, codeInvalidRequest, line)
	default:
		if err := c.request(id, name, params); err != nil {
			c.refuse(id, err)
		}
	}
}

// textOf is a text, however it is escaped.
func textOf(raw json.RawMessage) (text string, isText bool) {
	isText = len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &text) == nil
	return text, isText
}

// errorOf is the error of an answer, if it has one; false where that is none.
func errorOf(answer map[string]json.RawMessage) (*RemoteError, bool) {
	raw, isError := answer["error"]
	if !isError {
		return nil, true
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil || members == nil {
		return nil, false
	}
	message, isText := textOf(members["message"])
	remote := &RemoteError{Message: message, Data: members["data"]}
	code, hasCode := members["code"]
	return remote, isText && hasCode && string(code) != "null" && json.Unmarshal(code, &remote.Code) == nil
}

// invalid: a plugin answers; a host tells stray output from a broken plugin.
func (c *connection) invalid(id json.RawMessage, code int64, line []byte) {
	if c.side == servedByPlugin {
		c.refuse(id, protocolError(code, nil))
		return
	}
	known := bytes.HasPrefix(bytes.TrimLeft(line, " \t\r"), []byte("{"))
	var members map[string]json.RawMessage
	if json.Unmarshal(line, &members) == nil {
		known = false
		for _, name := range []string{"jsonrpc", "id", "method", "result", "error"} {
			_, found := members[name]
			known = known || found
		}
	}
	if known || bytes.Contains(line, []byte(`"jsonrpc"`)) {
		broken := failure(KindProtocolViolation, "not a message: %s", quote(line))
		broken.Stray = quote(line)
		c.role.broken(broken)
		return
	}
	c.role.stray(line)
}

func (c *connection) answered(id, result json.RawMessage, remote *RemoteError) {
	number, err := strconv.ParseInt(string(id), 10, 64)
	c.mutex.Lock()
	p := c.pendings[number]
	if err != nil || p == nil {
		c.mutex.Unlock()
		fmt.Fprintf(os.Stderr, "plugline: an answer to nothing that was asked: %s\n", quote(id))
		return
	}
	c.release(p)
	first := !p.over
	p.over = true
	s := p.sender
	c.mutex.Unlock()
	if !first {
		return
	}
	unfit := unsound(result, deepest-withinMessage)
	switch {
	case remote != nil && remote.Code == codeDeadline && !p.deadline.IsZero():
		// Whose clock was first is no matter: the caller's deadline passed.
		p.err = failure(KindTimeout, "%s was not answered in time", p.name)
	case remote != nil && remote.Code == codeCancelled && p.cancelled != nil:
		p.err = p.cancelled
	case remote != nil:
		p.err = p.declared(remote)
	case unfit != nil:
		p.err = failure(KindProtocolViolation, "%s: its result %v", p.name, unfit)
	default:
		p.result = result
		if p.apply != nil {
			p.err = p.apply(result)
		}
	}
	close(p.ended)
	if p.inbox != nil {
		p.inbox.end(p.err)
	}
	if s != nil {
		s.fail(failure(KindClosed, "%s has its answer", p.name))
	}
}

// declared is the contract's own error of that code, where there is one.
func (p *pending) declared(remote *RemoteError) error {
	if p.method != nil {
		if make, found := p.method.errors[remote.Code]; found {
			return make(remote)
		}
	}
	return remote
}

func (c *connection) notified(name string, params json.RawMessage, cost int) {
	if !strings.HasPrefix(name, "rpc.") {
		c.contractNotification(name, params, cost)
		return
	}
	var told map[string]json.RawMessage
	if json.Unmarshal(params, &told) != nil {
		return
	}
	id := told["id"]
	var items []json.RawMessage
	hasItems := len(told["items"]) > 0 && told["items"][0] == '[' && json.Unmarshal(told["items"], &items) == nil
	bytes := -1
	if json.Unmarshal(told["bytes"], &bytes) != nil {
		bytes = -1
	}
	c.mutex.Lock()
	var call *Call
	var p *pending
	var output *sender
	if validID(id) {
		if call = c.calls[idKey(id)]; call != nil && call.isProtocol() {
			call = nil
		}
		if number, err := strconv.ParseInt(string(id), 10, 64); err == nil {
			p = c.pendings[number]
		}
		if p != nil {
			output = p.sender
			if p.over {
				p = nil
			}
		}
	}
	c.mutex.Unlock()
	switch {
	case name == "rpc.cancel" && call != nil:
		call.stop(protocolError(codeCancelled, nil))
	case name == "rpc.input" && call != nil:
		if call.inbox == nil || !hasItems || !call.inbox.put(items, cost) {
			call.stop(protocolError(codeStream, nil))
		}
	case name == "rpc.inputEnd" && call != nil && call.inbox != nil:
		call.inbox.end(nil)
	case name == "rpc.outputCredit" && call != nil && call.sender != nil && bytes >= 0:
		call.sender.grant(bytes)
	case name == "rpc.inputCredit" && output != nil && bytes >= 0:
		output.grant(bytes)
	case name == "rpc.output" && p != nil:
		if p.inbox == nil || !hasItems || !p.inbox.put(items, cost) {
			c.role.broken(failure(KindStreamViolation, "%s sent output that it had no credit for", p.name))
		}
	case name == "rpc.progress" && p != nil && p.told != nil:
		var progress Progress
		if faults := read(progressSchema, withoutMeta(params), &progress); len(faults) > 0 {
			faulty(name, faults)
		} else if progress.Progress >= p.progress {
			p.progress = progress.Progress
			select {
			case p.progressed <- progress:
			default: // more than is taken: what comes next says more
			}
		}
	case name == "rpc.log":
		var log Log
		if faults := read(logSchema, withoutMeta(params), &log); len(faults) > 0 {
			faulty(name, faults)
		} else {
			c.role.logged(log, cost)
		}
	}
}

// faulty: nobody is answered for a notification.
func faulty(name string, faults []Fault) {
	fmt.Fprintf(os.Stderr, "plugline: %s came with params that break its contract: %v\n", name, faults)
}

var progressSchema = map[string]any{
	"type": "object", "required": []any{"progress"},
	"properties": map[string]any{
		"progress": map[string]any{"type": "number"}, "total": map[string]any{"type": "number"}, "message": map[string]any{"type": "string"},
	},
}

var logSchema = map[string]any{
	"type": "object", "required": []any{"level", "message"},
	"properties": map[string]any{
		"level":   map[string]any{"enum": []any{"trace", "debug", "info", "warn", "error"}},
		"message": map[string]any{"type": "string"}, "target": map[string]any{"type": "string"}, "fields": map[string]any{"type": "object"},
	},
}

// contractNotification: they are handled one after another, in their order.
func (c *connection) contractNotification(name string, params json.RawMessage, cost int) {
	refused := c.role.lifecycle(name)
	c.mutex.Lock()
	known, found := c.served[name]
	c.mutex.Unlock()
	if !found || refused != nil || known.method.result != nil {
		fmt.Fprintf(os.Stderr, "plugline: a notification that nobody takes: %s\n", quote([]byte(name)))
		return
	}
	text, faults := known.contract.schemas.accept(known.method.params, withoutMeta(params))
	if len(faults) > 0 {
		faulty(name, faults)
		return
	}
	c.mutex.Lock()
	if c.laneBytes > 0 && c.laneBytes+cost > c.ours.MaxLineBytes {
		c.mutex.Unlock()
		c.role.broken(failure(KindOverloaded, "more notifications came than are handled"))
		return
	}
	c.laneBytes += cost
	before, after := c.lane, make(chan struct{})
	c.lane = after
	c.mutex.Unlock()
	ctx, cancel := context.WithCancelCause(context.Background())
	call := &Call{connection: c, contract: known.contract, method: known.method, cancel: cancel}
	call.ctx = context.WithValue(ctx, callKey{}, call)
	go func() {
		<-before
		if _, err := guarded(known, call, text); err != nil {
			fmt.Fprintf(os.Stderr, "plugline: %s: %v\n", name, err)
		}
		cancel(nil)
		c.mutex.Lock()
		c.laneBytes -= cost
		c.mutex.Unlock()
		close(after)
	}()
}

func withoutMeta(params json.RawMessage) json.RawMessage {
	var members map[string]json.RawMessage
	if json.Unmarshal(params, &members) != nil || members["_meta"] == nil {
		return params
	}
	delete(members, "_meta")
	return mustEncode(members)
}

type meta struct {
	deadline time.Duration
	parent   json.RawMessage
}

// metaOf: what is ill-typed is ignored.
func metaOf(params json.RawMessage) meta {
	var members, about map[string]json.RawMessage
	found := meta{deadline: -1}
	if json.Unmarshal(params, &members) != nil || json.Unmarshal(members["_meta"], &about) != nil {
		return found
	}
	var deadline int64
	if validInteger.Match(about["deadlineMs"]) && json.Unmarshal(about["deadlineMs"], &deadline) == nil && deadline < 1<<40 {
		found.deadline = time.Duration(deadline) * time.Millisecond
	}
	found.parent = about["parent"]
	return found
}

func (c *connection) request(id json.RawMessage, name string, params json.RawMessage) *RemoteError {
	if refused := c.role.lifecycle(name); refused != nil {
		return refused
	}
	notObject := invalidParams([]Fault{{Message: "must be of type object"}})
	c.mutex.Lock()
	known, found := c.served[name]
	streams := c.features["streams"]
	c.mutex.Unlock()
	if !found || known.method.result == nil {
		switch {
		case !strings.HasPrefix(name, "rpc."):
			return protocolError(codeNoMethod, nil)
		case name != "rpc.ping" && c.role.protocol(name) == nil:
			return protocolError(codeNoMethod, nil)
		case params[0] == '[':
			return notObject
		case name == "rpc.ping":
			if !c.out.putNow(c.answerLine(id, json.RawMessage("{}"), nil)) {
				c.role.broken(failure(KindOverloaded, "the other side reads nothing"))
			}
			return nil
		default:
			call := &Call{connection: c, method: &method{name: name}, id: id}
			call.ctx, call.cancel = context.WithCancelCause(context.Background())
			c.mutex.Lock()
			c.calls[idKey(id)] = call
			c.mutex.Unlock()
			c.role.protocol(name)(call, withoutMeta(params))
			return nil
		}
	}
	if (known.method.input != nil || known.method.output != nil) && !streams {
		return protocolError(codeNoMethod, nil)
	}
	if params[0] == '[' {
		return notObject
	}
	about := metaOf(params)
	text, faults := known.contract.schemas.accept(known.method.params, withoutMeta(params))
	if len(faults) > 0 {
		return invalidParams(faults)
	}
	call := &Call{connection: c, contract: known.contract, method: known.method, id: id, progress: math.Inf(-1)}
	var ctx context.Context
	ctx, call.cancel = context.WithCancelCause(context.Background())
	release := func() {}
	if about.deadline >= 0 {
		ctx, release = context.WithTimeout(ctx, about.deadline)
	}
	call.ctx = context.WithValue(ctx, callKey{}, call)
	if known.method.input != nil {
		call.inbox = newInbox(c.ours.StreamWindowBytes, func(bytes int) {
			c.tell("rpc.inputCredit", map[string]any{"id": id, "bytes": bytes})
		})
	}
	if known.method.output != nil {
		call.sender = newSender(c, c.accepted(), "rpc.output", id)
	}
	c.mutex.Lock()
	if number, err := strconv.ParseInt(string(about.parent), 10, 64); err == nil && c.pendings[number] != nil {
		call.parent = c.pendings[number]
		call.depth = call.parent.depth + 1
	}
	limit := 0
	if call.depth > c.ours.MaxDepth {
		limit = c.ours.MaxDepth
	} else if c.load[call.depth] >= c.ours.MaxInFlight {
		limit = c.ours.MaxInFlight
	}
	if limit > 0 {
		c.mutex.Unlock()
		release()
		call.cancel(nil)
		return protocolError(codeOverloaded, map[string]any{"limit": limit})
	}
	c.load[call.depth]++
	c.calls[idKey(id)] = call
	lane := c.lane
	c.mutex.Unlock()
	late := context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			call.stop(protocolError(codeDeadline, nil))
		}
	})
	go func() {
		// Notifications that came before are handled before.
		<-lane
		result, err := guarded(known, call, text)
		late()
		c.finish(call, result, err)
		release()
		call.cancel(nil)
	}()
	return nil
}

// guarded runs a handler: a panic is its error.
func guarded(known servedMethod, call *Call, params json.RawMessage) (result json.RawMessage, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("panic: %v\n%s", panicked, debug.Stack())
		}
	}()
	if stopped := call.stoppedBy(); stopped != nil {
		return nil, stopped
	}
	value, err := known.handle(call, params)
	if err != nil || known.method.result == nil {
		return nil, err
	}
	result, err = known.contract.schemas.offer(known.method.result, value, withinMessage)
	if err != nil {
		return nil, fmt.Errorf("it made what its contract does not let through: %w", err)
	}
	return result, nil
}

// wireError is an error as it travels.
func (c *Call) wireError(err error) *RemoteError {
	if stopped := c.stoppedBy(); stopped != nil {
		return stopped
	}
	// The context may know of it before `stop` does.
	switch c.ctx.Err() {
	case context.DeadlineExceeded:
		return protocolError(codeDeadline, nil)
	case context.Canceled:
		return protocolError(codeCancelled, nil)
	}
	var remote interface{ remote() (*RemoteError, error) }
	if errors.As(err, &remote) {
		made, fault := remote.remote()
		if fault == nil && made.Data != nil && !json.Valid(made.Data) {
			fault = errors.New("it is no JSON")
		}
		if fault == nil {
			fault = unsound(made.Data, deepest-withinError)
		}
		if fault == nil && hasLargeInteger(made.Data) {
			fault = errors.New("it has an integer beyond 2^53 - 1")
		}
		if fault == nil {
			_, declared := c.method.errors[made.Code]
			if declared || c.method.errors == nil || isOwn(made.Code) {
				return made
			}
		} else {
			err = fmt.Errorf("%w, with data that cannot be sent: %w", err, fault)
		}
	}
	fmt.Fprintf(os.Stderr, "plugline: %s: %v\n", c.method.name, err)
	return protocolError(codeInternal, nil)
}

// isOwn: the codes of the protocol that a handler may answer itself.
func isOwn(code int64) bool {
	return code == codeInvalidParams || code == codeCancelled || code == codeDeadline || code == codeTooLarge
}

// finish answers, once.
func (c *connection) finish(call *Call, result json.RawMessage, err error) {
	var wire *RemoteError
	// A stream that broke the rules is no stream, whatever its handler made of it.
	if stopped := call.stoppedBy(); err != nil || stopped != nil && stopped.Code != codeCancelled && stopped.Code != codeDeadline {
		wire = call.wireError(err)
	}
	c.answer(call, c.answerLine(call.id, result, wire))
}

// answer sends the line that answers a call, unless it was answered.
func (c *connection) answer(call *Call, line []byte) {
	call.mutex.Lock()
	first := !call.answered
	call.answered = true
	call.mutex.Unlock()
	if !first {
		return
	}
	ended := failure(KindClosed, "the call has ended")
	if call.sender != nil {
		call.sender.fail(ended)
	}
	if call.inbox != nil {
		call.inbox.drop(ended)
	}
	// Its id and place are free before its answer can be read.
	c.mutex.Lock()
	delete(c.calls, idKey(call.id))
	if !call.isProtocol() {
		c.load[call.depth]--
	}
	c.answering++
	c.mutex.Unlock()
	_ = c.out.put(line, nil) // a connection that is closed needs no answer
	c.mutex.Lock()
	c.answering--
	c.places.Broadcast()
	c.mutex.Unlock()
}

// The end.

// settled waits until nothing is being handled but what waits for just that, for at most this long.
func (c *connection) settled(patience time.Duration) {
	c.until(patience, func() bool {
		if c.answering > 0 {
			return false
		}
		for _, call := range c.calls {
			if !call.isLast() {
				return false
			}
		}
		return true
	})
}

// answeredAll waits until every answer is in the outbox, for at most this long.
func (c *connection) answeredAll(patience time.Duration) {
	c.until(patience, func() bool { return len(c.calls) == 0 && c.answering == 0 })
}

// until waits for something that the lock guards.
func (c *connection) until(patience time.Duration, is func() bool) {
	late := false
	timer := time.AfterFunc(patience, func() {
		c.mutex.Lock()
		late = true
		c.places.Broadcast()
		c.mutex.Unlock()
	})
	defer timer.Stop()
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for !is() && !late {
		c.places.Wait()
	}
}

func (c *connection) inFlight() []*Call {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	all := make([]*Call, 0, len(c.calls))
	for _, call := range c.calls {
		if !call.isLast() {
			all = append(all, call)
		}
	}
	return all
}

// drainCalls lets what is in flight end, then cancels it, then answers in its stead.
func (c *connection) drainCalls(grace time.Duration) {
	c.settled(grace)
	for _, call := range c.inFlight() {
		call.stop(protocolError(codeCancelled, nil))
	}
	c.settled(250 * time.Millisecond)
	for _, call := range c.inFlight() {
		c.finish(call, nil, protocolError(codeCancelled, nil))
	}
}

// close: nobody will answer what is pending.
func (c *connection) close(err error) {
	c.mutex.Lock()
	if c.closed != nil {
		c.mutex.Unlock()
		return
	}
	c.closed = err
	ended := make([]*pending, 0, len(c.pendings))
	for _, p := range c.pendings {
		ended = append(ended, p)
		if p.unanswered != nil {
			p.unanswered.Stop()
		}
	}
	c.pendings = map[int64]*pending{}
	c.places.Broadcast()
	c.mutex.Unlock()
	for _, p := range ended {
		c.end(p, err)
	}
	gone := protocolError(codeCancelled, nil)
	for _, call := range c.inFlight() {
		switch {
		case c.side == servedByHost:
			call.stop(gone)
		default:
			// What came is still taken, and what there is credit for still sent.
			if call.inbox != nil {
				call.inbox.end(gone)
			}
			if call.sender != nil {
				call.sender.starve(gone)
			}
		}
	}
}

// quote is the first bytes of a line, harmless to print.
func quote(line []byte) string {
	if len(line) > 200 {
		line = line[:200]
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\ufffd'
	}, string(bytes.ToValidUTF8(line, []byte("\ufffd"))))
}

// --- a plugin that is started

// Options is how a plugin is started; the zero value will do.
type Options struct {
	// Config is what the plugin is configured with.
	Config any
	// Serves is the contracts that this host serves to the plugin.
	Serves []Implementation
	// Env is added to what a plugin is given of the environment.
	Env map[string]string
	Dir string
	// StartTimeout is 10 seconds if not said.
	StartTimeout time.Duration
	// CallTimeout is for calls whose context has no deadline: 30 seconds if not said.
	CallTimeout time.Duration
	// Grace is what calls in flight have to end when it is stopped: 5 seconds if not said.
	Grace time.Duration
	// CloseTimeout is how long it may live on when its input is closed, before SIGTERM: 3 seconds if not said.
	CloseTimeout time.Duration
	// TermTimeout is how long after SIGTERM, before SIGKILL: 2 seconds if not said.
	TermTimeout time.Duration
	// AnswerTimeout is how long a call that was cancelled may stay unanswered, before the plugin is unhealthy: 5 seconds
	// if not said.
	AnswerTimeout time.Duration
	Limits        Limits
	// Instance is how this instance is known to the host.
	Instance string
	// OnLog, OnStray and OnUnhealthy are told one after another, and may call the plugin; logs that come much faster than
	// they are taken are dropped.
	OnLog func(Log)
	// OnStray is told a line of standard output that is no message, quoted.
	OnStray func(line string)
	// OnStderr holds up the plugin's standard error, and nothing else.
	OnStderr func(text []byte)
	// OnUnhealthy is told of a call that the plugin left unanswered: it should be replaced.
	OnUnhealthy func(method string)
}

var environment = regexp.MustCompile(`^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_.*|TZ|TMPDIR)=`)

// Plugin is a running plugin.
type Plugin struct {
	// Name and Version are what the plugin says of itself.
	Name, Version string
	// Provides is the contracts that it provides, by name.
	Provides   map[string]string
	command    []string
	options    Options
	process    *exec.Cmd
	connection *connection
	exited     chan struct{}
	ending     sync.Once
	mutex      sync.Mutex
	stderr     []byte
	firstStray string
	strays     int
	state      *os.ProcessState
	ready      bool
	// rung is how far down the ladder it was stopped.
	rung   string
	events *events
	// signalling is held while the group is signalled, and while its leader is reaped: the number is somebody else's then.
	signalling sync.Mutex
	reaped     bool
}

// Start runs a plugin and shakes hands with it.
func Start(command []string, options Options) (*Plugin, error) {
	if len(command) == 0 {
		return nil, failure(KindInvalidRequest, "an empty command starts no plugin")
	}
	for _, unsaid := range []struct {
		patience *time.Duration
		usual    time.Duration
	}{
		{&options.StartTimeout, 10 * time.Second}, {&options.CallTimeout, 30 * time.Second}, {&options.Grace, 5 * time.Second},
		{&options.CloseTimeout, 3 * time.Second}, {&options.TermTimeout, 2 * time.Second},
		{&options.AnswerTimeout, 5 * time.Second},
	} {
		if *unsaid.patience == 0 {
			*unsaid.patience = unsaid.usual
		}
	}
	p := &Plugin{command: command, options: options, events: newEvents(), exited: make(chan struct{})}
	p.process = exec.Command(command[0], command[1:]...)
	p.process.Dir = options.Dir
	// A session of its own, and so a group that can be ended as a whole.
	p.process.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	p.process.Env = append(p.process.Env, "PLUGLINE_PROTOCOL=1")
	for _, variable := range os.Environ() {
		if environment.MatchString(variable) {
			p.process.Env = append(p.process.Env, variable)
		}
	}
	for name, value := range options.Env {
		p.process.Env = append(p.process.Env, name+"="+value)
	}
	stdin, err := p.process.StdinPipe()
	if err != nil {
		return nil, p.failed(KindSpawnFailed, "spawn", "no pipe: %v", err)
	}
	// Pipes of our own: Wait must not close what is still to be read.
	stdout, childStdout, err := os.Pipe()
	if err != nil {
		closeAll(stdin)
		return nil, p.failed(KindSpawnFailed, "spawn", "no pipe: %v", err)
	}
	stderr, childStderr, err := os.Pipe()
	if err != nil {
		closeAll(stdin, stdout, childStdout)
		return nil, p.failed(KindSpawnFailed, "spawn", "no pipe: %v", err)
	}
	p.process.Stdout, p.process.Stderr = childStdout, childStderr
	err = spawn(p.process)
	closeAll(childStdout, childStderr)
	if err != nil {
		closeAll(stdout, stderr, stdin)
		return nil, p.failed(KindSpawnFailed, "spawn", "%s cannot be started: %v", command[0], err)
	}
	go p.events.run(p.exited)
	p.connection = newConnection(servedByHost, options.Limits, p, stdin, func(error) {
		p.over(KindClosed, "closed its standard input")
	})
	p.connection.serve(options.Serves)
	p.connection.patience = options.AnswerTimeout
	var reading sync.WaitGroup
	reading.Add(2)
	go func() {
		p.drainStderr(stderr)
		reading.Done()
	}()
	go func() {
		p.connection.run(stdout)
		reading.Done()
		p.over(KindClosed, "closed its standard output")
	}()
	read := make(chan struct{})
	go func() {
		reading.Wait()
		close(read)
	}()
	go p.wait(read, stdout, stderr, stdin)
	if err := p.handshake(); err != nil {
		go p.stop("close", 0) // why it failed is known already
		return nil, err
	}
	return p, nil
}

// spawner is a thread that lives as long as this process.
var spawner = sync.OnceValue(func() chan func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for start := range work {
			start()
		}
	}()
	return work
})

// spawn starts a process. Where the system can, it gets SIGTERM when the thread that started it ends (HOST-8).
func spawn(process *exec.Cmd) error {
	deathSignal := reflect.ValueOf(process.SysProcAttr).Elem().FieldByName("Pdeathsig") // not on every platform
	if deathSignal.IsValid() {
		deathSignal.Set(reflect.ValueOf(syscall.SIGTERM))
	}
	started := make(chan error)
	spawner() <- func() { started <- process.Start() }
	return <-started
}

// events is what the user is told, one after another and not by the reader: whoever takes his time delays nothing.
type events struct {
	mutex   sync.Mutex
	change  *sync.Cond
	queue   []event
	bytes   int
	dropped int
	ended   bool
}

type event struct {
	cost int
	tell func()
}

const roomForEvents = 1 << 20

func newEvents() *events {
	e := &events{}
	e.change = sync.NewCond(&e.mutex)
	return e
}

// put queues an event. One that costs something is dropped, and counted, where there is no room for it.
func (e *events) put(cost int, tell func()) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if cost > 0 && e.bytes+cost > roomForEvents {
		e.dropped++
		return
	}
	e.bytes += cost
	e.queue = append(e.queue, event{cost, tell})
	e.change.Broadcast()
}

// run tells until the process has ended, and all of it was told.
func (e *events) run(exited <-chan struct{}) {
	go func() {
		<-exited
		e.mutex.Lock()
		e.ended = true
		e.change.Broadcast()
		e.mutex.Unlock()
	}()
	e.mutex.Lock()
	defer e.mutex.Unlock()
	for {
		for len(e.queue) == 0 && !e.ended {
			e.change.Wait()
		}
		if len(e.queue) == 0 {
			return
		}
		next := e.queue[0]
		e.queue = e.queue[1:]
		dropped := e.dropped
		e.dropped = 0
		e.mutex.Unlock()
		if dropped > 0 {
			fmt.Fprintf(os.Stderr, "plugline: %d messages of a plugin's log were dropped: more came than was taken\n", dropped)
		}
		next.tell()
		e.mutex.Lock()
		e.bytes -= next.cost
	}
}

func closeAll(all ...io.Closer) {
	for _, one := range all {
		_ = one.Close() // pipes that nobody uses
	}
}

func (p *Plugin) wait(read chan struct{}, stdout, stderr, stdin io.Closer) {
	p.untilEnded()
	p.signal(syscall.SIGKILL) // what is left of its group
	p.signalling.Lock()
	_ = p.process.Wait() // where that is done already, this only says so
	p.reaped = true
	p.signalling.Unlock()
	p.mutex.Lock()
	p.state = p.process.ProcessState
	p.mutex.Unlock()
	// What it wrote before its end is still read, unless somebody else holds the pipe.
	select {
	case <-read:
	case <-time.After(500 * time.Millisecond):
	}
	p.connection.close(p.failed(KindPluginExited, "call", "the plugin ended: %s", p.state))
	p.connection.out.close()
	close(p.exited)
	// Somebody else may hold their other ends.
	closeAll(stdout, stderr, stdin)
}

// untilEnded waits for the end of the group's leader. Linux leaves it to be reaped, so that the number of the group is
// its own for as long as it is signalled; elsewhere whoever is left in the group keeps the number from being given anew.
func (p *Plugin) untilEnded() {
	const byPid, exited, leave = 1, 4, 0x01000000
	err := syscall.EINTR
	for runtime.GOOS == "linux" && err == syscall.EINTR {
		_, _, err = syscall.Syscall6(syscall.SYS_WAITID, byPid, uintptr(p.process.Process.Pid), 0, exited|leave, 0, 0)
	}
	if err != 0 {
		_ = p.process.Wait() // how it ended stands in the process state
	}
}

func (p *Plugin) drainStderr(from io.Reader) {
	chunk := make([]byte, 4096)
	for {
		count, err := from.Read(chunk)
		p.mutex.Lock()
		p.stderr = append(p.stderr, chunk[:count]...)
		if len(p.stderr) > 8192 {
			p.stderr = append([]byte(nil), p.stderr[len(p.stderr)-8192:]...)
		}
		p.mutex.Unlock()
		if count > 0 && p.options.OnStderr != nil {
			p.options.OnStderr(append([]byte(nil), chunk[:count]...))
		}
		if err != nil {
			return
		}
	}
}

func (p *Plugin) handshake() error {
	c := p.connection
	methods := []string{}
	for name := range c.served {
		methods = append(methods, name)
	}
	sort.Strings(methods)
	capabilities := map[string]any{"progress": None{}, "log": None{}, "streams": None{}}
	if len(methods) > 0 {
		capabilities["callbacks"] = map[string]any{"methods": methods}
	}
	config := p.options.Config
	if config == nil {
		config = None{}
	}
	params := map[string]any{
		"protocolVersions": []int{1}, "host": map[string]any{"name": "plugline-go", "version": "1.0.0"},
		"config": config, "limits": c.ours, "capabilities": capabilities,
	}
	if p.options.Instance != "" {
		params["instance"] = p.options.Instance
	}
	text, err := encode(params)
	if err == nil {
		err = unsound(text, deepest-withinMessage)
	}
	if err == nil && hasLargeInteger(text) {
		err = errors.New("it has an integer beyond 2^53 - 1")
	}
	if err != nil {
		return p.failed(KindInvalidRequest, "start", "the config cannot be sent: %v", err)
	}
	if _, err := c.askThen("rpc.initialize", text, p.options.StartTimeout, p.begin); err != nil {
		return p.startFailure(err)
	}
	return nil
}

var helloSchema = map[string]any{
	"type": "object", "required": []any{"protocolVersion", "plugin", "provides"},
	"properties": map[string]any{
		"protocolVersion": map[string]any{"type": "integer"},
		"plugin":          initializeSchema["properties"].(map[string]any)["host"],
		"provides": map[string]any{"type": "array", "items": map[string]any{
			"type": "object", "required": []any{"contract", "version"},
			"properties": map[string]any{"contract": map[string]any{"type": "string"}, "version": map[string]any{"type": "string"}},
		}},
		"limits": limitsSchema(),
		"capabilities": map[string]any{"type": "object", "properties": map[string]any{
			"cancel": map[string]any{"type": "object"}, "progress": map[string]any{"type": "object"}, "log": map[string]any{"type": "object"},
			"streams": map[string]any{"type": "object"}, "callbacks": map[string]any{"type": "object"},
		}},
	},
}

// begin takes the answer to rpc.initialize.
func (p *Plugin) begin(raw json.RawMessage) error {
	var answer struct {
		ProtocolVersion int `json:"protocolVersion"`
		Plugin          struct {
			Name    string `json:"name"`
			Version string `json:"version"`
		} `json:"plugin"`
		Provides []struct {
			Contract string `json:"contract"`
			Version  string `json:"version"`
		} `json:"provides"`
		Limits       Limits                     `json:"limits"`
		Capabilities map[string]json.RawMessage `json:"capabilities"`
	}
	if faults := read(helloSchema, raw, &answer); len(faults) > 0 {
		fault := faults[0]
		return p.failed(KindHandshakeInvalid, "start", "the answer to rpc.initialize is none (%q %s): %s", fault.Path, fault.Message, quote(raw))
	}
	if answer.ProtocolVersion != 1 {
		return p.failed(KindVersionMismatch, "start", "the plugin chose version %d of the protocol, which was not offered", answer.ProtocolVersion)
	}
	p.Name, p.Version, p.Provides = answer.Plugin.Name, answer.Plugin.Version, map[string]string{}
	for _, provided := range answer.Provides {
		p.Provides[provided.Contract] = provided.Version
	}
	c := p.connection
	c.mutex.Lock()
	c.theirs, c.lineLimit = answer.Limits.orDefault(), c.ours.MaxLineBytes
	for name := range answer.Capabilities {
		c.features[name] = true
	}
	c.mutex.Unlock()
	p.mutex.Lock()
	p.ready = true
	p.mutex.Unlock()
	return nil
}

func (p *Plugin) startFailure(err error) error {
	var remote *RemoteError
	var failed *Failure
	switch {
	case errors.As(err, &remote):
		kind, found := map[int64]Kind{
			codeUnsupported: KindVersionMismatch, codeInvalidConfig: KindInvalidConfig, codeDeclined: KindDeclined,
		}[remote.Code]
		if !found {
			kind = KindHandshakeInvalid
		}
		refused := p.failed(kind, "start", "%s %s", remote.Message, remote.Data)
		refused.Remote = remote
		return refused
	case errors.As(err, &failed) && failed.Kind == KindTimeout:
		return p.failed(KindHandshakeTimeout, "start", "no answer to rpc.initialize within %v", p.options.StartTimeout)
	default:
		return err
	}
}

func (p *Plugin) failed(kind Kind, phase, format string, values ...any) *Failure {
	f := failure(kind, format, values...)
	p.mutex.Lock()
	defer p.mutex.Unlock()
	f.Command, f.Phase, f.State, f.Stray = p.command, phase, p.state, p.firstStray
	if p.state != nil {
		f.Exit = p.state.String()
	}
	f.StderrTail = string(p.stderr[max(0, len(p.stderr)-2000):])
	return f
}

func (p *Plugin) caller() (*connection, *Call, time.Duration) {
	return p.connection, nil, p.options.CallTimeout
}

func (p *Plugin) lifecycle(method string) *RemoteError {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if !p.ready && !strings.HasPrefix(method, "rpc.") {
		return protocolError(codeNotInitialized, nil)
	}
	return nil
}

func (p *Plugin) protocol(string) func(*Call, json.RawMessage) {
	return nil
}

func (p *Plugin) logged(log Log, cost int) {
	if p.options.OnLog != nil {
		p.events.put(cost, func() { p.options.OnLog(log) })
	}
}

func (p *Plugin) stray(line []byte) {
	p.mutex.Lock()
	if p.firstStray == "" {
		p.firstStray = quote(line)
	}
	p.strays++
	count := p.strays
	p.mutex.Unlock()
	// The first ten are always told, then powers of two.
	if p.options.OnStray != nil && (count <= 10 || count&(count-1) == 0) {
		text := quote(line)
		p.events.put(0, func() { p.options.OnStray(text) })
	}
}

func (p *Plugin) broken(err *Failure) {
	told := p.failed(err.Kind, "call", "%s", err.Message)
	if err.Stray != "" {
		told.Stray = err.Stray
	}
	p.connection.close(told)
	go p.stop("close", 0)
}

func (p *Plugin) unhealthy(method string) {
	if p.options.OnUnhealthy != nil {
		p.events.put(0, func() { p.options.OnUnhealthy(method) })
	}
}

// over: the connection ended by itself.
func (p *Plugin) over(kind Kind, how string) {
	// A process that ends closes its pipes first: its end says more.
	select {
	case <-p.exited:
		return
	case <-time.After(500 * time.Millisecond):
	}
	p.connection.close(p.failed(kind, "call", "the plugin %s", how))
	p.stop("close", 0)
}

// fits looks whether the plugin provides a contract in a version that fits, and its manifest says the same of each method.
func (p *Plugin) fits(of *contract) error {
	asked := of.version()
	provided, found := p.Provides[of.name]
	if !found {
		all := []string{}
		for name, version := range p.Provides {
			all = append(all, name+" "+version)
		}
		sort.Strings(all)
		if len(all) == 0 {
			all = []string{"nothing"}
		}
		return p.failed(KindUnsupported, "contract", "the plugin does not provide %s; it provides %s", of.name, strings.Join(all, ", "))
	}
	fault := fmt.Sprintf("it provides %s %s, and ^%s is wanted", of.name, provided, asked)
	if isCompatible(asked, provided) {
		text, err := p.Discover()
		if err != nil {
			return err
		}
		manifest, err := decodeAny(text)
		if err != nil {
			return p.failed(KindProtocolViolation, "contract", "its manifest cannot be read: %v", err)
		}
		fault = of.misfit(&schemas{root: manifest})
	}
	if fault != "" {
		return p.failed(KindVersionMismatch, "contract", "the plugin does not fit %s %s: %s", of.name, asked, fault)
	}
	return nil
}

// Ping asks whether it answers.
func (p *Plugin) Ping(ctx context.Context) error {
	patience := 5 * time.Second
	if deadline, found := ctx.Deadline(); found {
		patience = time.Until(deadline)
	}
	_, err := p.connection.ask("rpc.ping", None{}, patience)
	return err
}

// Discover is the plugin's manifest, an OpenRPC document.
func (p *Plugin) Discover() (json.RawMessage, error) {
	return p.connection.ask("rpc.discover", None{}, p.options.CallTimeout)
}

// Stop asks it to end, closes its input, then ends it. It returns when the process is gone.
func (p *Plugin) Stop() {
	p.stop("shutdown", p.options.Grace)
}

// stop takes the steps in order, each bounded, until the process has ended.
func (p *Plugin) stop(from string, grace time.Duration) {
	p.ending.Do(func() {
		if isDone(p.exited) {
			p.rung = "gone"
			return
		}
		p.rung = "asked"
		if from == "shutdown" {
			// A plugin that does not answer is ended all the same.
			_, _ = p.connection.ask("rpc.shutdown", map[string]any{"graceMs": grace.Milliseconds()}, grace+500*time.Millisecond)
		}
		p.connection.close(p.failed(KindClosed, "call", "the plugin was stopped"))
		p.connection.out.close()
		if !p.within(p.options.CloseTimeout) {
			p.rung = "terminated"
			p.signal(syscall.SIGTERM)
			if !p.within(p.options.TermTimeout) {
				p.rung = "killed"
				p.signal(syscall.SIGKILL)
			}
		}
	})
	<-p.exited
}

func (p *Plugin) within(patience time.Duration) bool {
	select {
	case <-p.exited:
		return true
	case <-time.After(patience):
		return false
	}
}

func (p *Plugin) signal(signal syscall.Signal) {
	p.signalling.Lock()
	defer p.signalling.Unlock()
	if !p.reaped {
		_ = syscall.Kill(-p.process.Process.Pid, signal) // a group that is gone needs no signal
	}
}

// --- a plugin that serves

// Setup is what a plugin is given when it is made.
type Setup struct {
	// Host is the host, for what is done outside of any call.
	Host Caller
	// Instance is how the host knows this instance.
	Instance string
	Log      func(level, message string, fields map[string]any)
}

type hostCaller struct {
	connection *connection
}

func (h hostCaller) caller() (*connection, *Call, time.Duration) {
	return h.connection, nil, 30 * time.Second
}

// served is the plugin's side of its one connection.
type served struct {
	name, version string
	document      *schemas
	limits        Limits
	make          func(setup *Setup, config json.RawMessage) ([]Implementation, error)
	connection    *connection
	mutex         sync.Mutex
	state         string // new, starting, ready, closing
	ending        sync.Once
}

// takeWire takes the pipes to the host away from everybody else: what is printed from here on goes to standard error,
// and no child process inherits them.
func takeWire() (input, output *os.File, err error) {
	syscall.ForkLock.Lock()
	defer syscall.ForkLock.Unlock()
	in, err := syscall.Dup(0)
	if err != nil {
		return nil, nil, err
	}
	out, err := syscall.Dup(1)
	if err != nil {
		return nil, nil, err
	}
	syscall.CloseOnExec(in)
	syscall.CloseOnExec(out)
	null, err := syscall.Open(os.DevNull, syscall.O_RDWR, 0)
	if err != nil {
		return nil, nil, err
	}
	// The lowest descriptor that is free is the next: 0, then 1. Dup2 is not on every platform.
	for wanted, from := range []int{null, 2} {
		if err := syscall.Close(wanted); err != nil {
			return nil, nil, err
		}
		got, err := syscall.Dup(from)
		if err != nil && wanted == 1 {
			got, err = syscall.Dup(null) // standard error is closed
		}
		if err != nil {
			return nil, nil, err
		}
		if got != wanted {
			return nil, nil, fmt.Errorf("descriptor %d is %d: call Serve before files are opened by others", wanted, got)
		}
	}
	if err := syscall.Close(null); err != nil {
		return nil, nil, err
	}
	return os.NewFile(uintptr(in), "host"), os.NewFile(uintptr(out), "host"), nil
}

// run makes this process a plugin. It ends the process when the host is done.
func (s *served) run() {
	input, err := os.Stdin.Stat()
	null, nowhere := os.Stat(os.DevNull)
	isDevice := err == nil && input.Mode()&os.ModeCharDevice != 0
	if isDevice && (nowhere != nil || !os.SameFile(input, null)) {
		s.explain()
		os.Exit(64)
	}
	from, output, err := takeWire()
	if err != nil {
		fmt.Fprintf(os.Stderr, "plugline: standard input and output cannot be taken: %v\n", err)
		os.Exit(1)
	}
	s.state = "new"
	// A host that is gone is no fault of ours.
	s.connection = newConnection(servedByPlugin, s.limits, s, output, func(error) { os.Exit(0) })
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGPIPE)
	go func() {
		for received := range signals {
			if received == syscall.SIGTERM {
				go s.exit(1500 * time.Millisecond)
			}
		}
	}()
	s.connection.run(from)
	s.connection.close(failure(KindClosed, "the host is gone"))
	s.exit(1500 * time.Millisecond)
	select {} // the other end is on its way
}

func (s *served) explain() {
	provides := []string{}
	list, _ := s.document.at("/x-plugline/provides").([]any)
	for _, one := range list {
		provided, _ := one.(map[string]any)
		provides = append(provides, fmt.Sprintf("%v %v", provided["contract"], provided["version"]))
	}
	fmt.Fprintf(os.Stderr, "%s %s is a Plugline plugin. It provides %s.\n"+
		"A host starts it and speaks JSON-RPC over its standard input and output; try\n  plugline describe %s\n",
		s.name, s.version, strings.Join(provides, ", "), os.Args[0])
}

// exit ends the process in order, and in time.
func (s *served) exit(grace time.Duration) {
	s.ending.Do(func() {
		time.AfterFunc(grace+450*time.Millisecond, func() { os.Exit(0) })
		s.become("closing")
		s.connection.drainCalls(grace)
		s.connection.answeredAll(time.Second)
		s.connection.out.drain(time.Second)
		os.Exit(0)
	})
}

func (s *served) become(state string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.state != "closing" {
		s.state = state
	}
}

func (s *served) lifecycle(method string) *RemoteError {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	early := method == "rpc.initialize" || method == "rpc.discover" || method == "rpc.ping" || method == "rpc.shutdown"
	switch {
	case s.state == "closing" && method != "rpc.ping":
		return protocolError(codeShuttingDown, nil)
	case s.state != "ready" && !early:
		return protocolError(codeNotInitialized, nil)
	case s.state != "new" && method == "rpc.initialize":
		return protocolError(codeInvalidRequest, nil)
	default:
		return nil
	}
}

func (s *served) protocol(method string) func(*Call, json.RawMessage) {
	switch method {
	case "rpc.discover":
		return s.discover
	case "rpc.shutdown":
		return s.shutdown
	case "rpc.initialize":
		return s.initialize
	default:
		return nil
	}
}

func (s *served) discover(call *Call, _ json.RawMessage) {
	manifest := map[string]any{}
	root, _ := s.document.root.(map[string]any)
	for name, member := range root {
		manifest[name] = member
	}
	info := map[string]any{}
	described, _ := root["info"].(map[string]any)
	for name, member := range described {
		info[name] = member
	}
	info["title"], info["version"] = s.name, s.version
	manifest["info"] = info
	go s.connection.finish(call, mustEncode(manifest), nil)
}

var shutdownSchema = map[string]any{
	"type":       "object",
	"properties": map[string]any{"graceMs": map[string]any{"type": "integer", "minimum": json.Number("0")}},
}

func (s *served) shutdown(call *Call, params json.RawMessage) {
	given := struct {
		GraceMs json.Number `json:"graceMs"`
	}{"5000"}
	if faults := read(shutdownSchema, params, &given); len(faults) > 0 {
		go s.connection.finish(call, nil, invalidParams(faults))
		return
	}
	grace := time.Duration(math.MaxInt64)
	if ms, err := given.GraceMs.Int64(); err == nil && ms < math.MaxInt64/int64(time.Millisecond) {
		grace = time.Duration(ms) * time.Millisecond
	}
	s.become("closing")
	go func() {
		s.connection.drainCalls(grace)
		s.connection.finish(call, json.RawMessage("null"), nil)
	}()
}

var initializeSchema = map[string]any{
	"type": "object", "required": []any{"protocolVersions"},
	"properties": map[string]any{
		"protocolVersions": map[string]any{"type": "array", "items": map[string]any{"type": "integer"}},
		"host": map[string]any{
			"type": "object", "required": []any{"name", "version"},
			"properties": map[string]any{"name": map[string]any{"type": "string"}, "version": map[string]any{"type": "string"}},
		},
		"instance": map[string]any{"type": "string"},
		"config":   true,
		"limits":   limitsSchema(),
		"capabilities": map[string]any{"type": "object", "properties": map[string]any{
			"progress": map[string]any{"type": "object"}, "log": map[string]any{"type": "object"},
			"streams": map[string]any{"type": "object"},
			"callbacks": map[string]any{"type": "object", "properties": map[string]any{
				"methods": map[string]any{"type": "array", "items": map[string]any{"type": "string"}},
			}},
		}},
	},
}

func (s *served) initialize(call *Call, params json.RawMessage) {
	s.become("starting")
	go func() {
		c := s.connection
		result, limits, err := s.start(params)
		if err != nil {
			s.become("new")
			c.finish(call, nil, s.refusal(err))
			return
		}
		// The answer still has the limit of before the handshake, and nothing is asked before it is read.
		line := c.answerLine(call.id, result, nil)
		c.mutex.Lock()
		c.lineLimit, c.theirs = c.ours.MaxLineBytes, limits
		c.mutex.Unlock()
		s.become("ready")
		c.answer(call, line)
	}()
}

func (s *served) refusal(err error) *RemoteError {
	var remote *RemoteError
	var config *InvalidConfig
	var declined *Declined
	switch {
	case errors.As(err, &remote):
		return remote
	case errors.As(err, &config):
		return protocolError(codeInvalidConfig, map[string]any{"errors": config.Errors})
	case errors.As(err, &declined):
		return protocolError(codeDeclined, map[string]any{"reason": declined.Reason})
	default:
		fmt.Fprintf(os.Stderr, "plugline: the plugin cannot start: %v\n", err)
		return protocolError(codeInternal, nil)
	}
}

func (s *served) start(params json.RawMessage) (result json.RawMessage, limits Limits, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("panic: %v\n%s", panicked, debug.Stack())
		}
	}()
	given := struct {
		ProtocolVersions []json.Number              `json:"protocolVersions"`
		Config           json.RawMessage            `json:"config"`
		Instance         string                     `json:"instance"`
		Limits           Limits                     `json:"limits"`
		Capabilities     map[string]json.RawMessage `json:"capabilities"`
	}{Config: json.RawMessage("{}")}
	if faults := read(initializeSchema, params, &given); len(faults) > 0 {
		return nil, limits, invalidParams(faults)
	}
	spoken := false
	for _, version := range given.ProtocolVersions {
		spoken = spoken || version == "1"
	}
	if !spoken {
		return nil, limits, protocolError(codeUnsupported, map[string]any{"supported": []int{1}})
	}
	config := given.Config
	if schema := s.document.at("/x-plugline/config"); schema != nil {
		var faults []Fault
		config, faults = s.document.accept(schema, config)
		if len(faults) > 0 {
			return nil, limits, &InvalidConfig{Errors: faults}
		}
	}
	var callbacks struct {
		Methods []string `json:"methods"`
	}
	if capability, found := given.Capabilities["callbacks"]; found {
		if err := json.Unmarshal(capability, &callbacks); err != nil {
			return nil, limits, invalidParams([]Fault{{Path: "/capabilities/callbacks", Message: err.Error()}})
		}
	}
	c := s.connection
	c.mutex.Lock()
	c.features, c.hostMethods = map[string]bool{}, map[string]bool{}
	for name := range given.Capabilities {
		c.features[name] = true
	}
	for _, method := range callbacks.Methods {
		c.hostMethods[method] = true
	}
	c.mutex.Unlock()
	implementations, err := s.make(&Setup{
		Host: hostCaller{c}, Instance: given.Instance,
		Log: func(level, message string, fields map[string]any) {
			c.log(Log{Level: level, Message: message, Fields: fields})
		},
	}, config)
	if err != nil {
		return nil, limits, err
	}
	c.serve(implementations)
	return mustEncode(map[string]any{
		"protocolVersion": 1, "plugin": map[string]any{"name": s.name, "version": s.version},
		"provides": s.document.at("/x-plugline/provides"), "limits": c.ours,
		"capabilities": map[string]any{
			"cancel": None{}, "progress": None{}, "log": None{}, "streams": None{}, "callbacks": None{},
		},
	}), given.Limits.orDefault(), nil
}

func (s *served) logged(Log, int) {}

func (s *served) stray([]byte) {}

func (s *served) broken(err *Failure) {
	fmt.Fprintf(os.Stderr, "plugline: the connection is closed (%s): %v\n", err.Kind, err)
	os.Exit(0)
}

func (s *served) unhealthy(string) {}
