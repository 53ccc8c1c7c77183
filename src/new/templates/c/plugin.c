// The plugin my-plugin. The first half is what it does; the second, the protocol, is the same in any other.

#define _POSIX_C_SOURCE 200809L
#include <jansson.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME "my-plugin"
#define VERSION "0.1.0"

// What becomes of a call: {"result": …} or {"error": …}.
static json_t *result(json_t *value);
static json_t *fault(int code, const char *message, json_t *data);
static json_t *faults(const json_t *value, const json_t *shape);
static json_t *text(const char *format, ...);
static void add_unknown(const json_t *value, const json_t *shape, json_t *wrong);

static char *greeting;

// Takes the config, once, before anything is called. The error that it deserves, if any.
static json_t *configure(const json_t *config) {
  json_auto_t *shape = json_loads("{\"greeting?\": \"string\"}", 0, NULL);
  json_t *errors = faults(config, shape);
  add_unknown(config, shape, errors);
  if (json_array_size(errors) > 0)
    return fault(-32002, "the config is wrong", json_pack("{s:o}", "errors", errors));
  json_decref(errors);
  const json_t *said = json_object_get(config, "greeting");
  greeting = strdup(said ? json_string_value(said) : "Hello");
  return NULL;
}

static json_t *hello(json_t *params) {
  return result(text("%s, %s!", greeting, json_string_value(json_object_get(params, "name"))));
}

struct method {
  const char *name;
  const char *params; // what they must be, as JSON: a kind of value, an integer for one that is at least that, a list
                      // of what it may be, or an object of such. A name that ends in `?` may be absent.
  json_t *(*run)(json_t *params);
};

// The methods of the contract. One that fails as the contract says returns fault(code, message, data).
static const struct method methods[] = {
    {"my_plugin.hello", "{\"name\": \"string\"}", hello},
    {NULL, NULL, NULL},
};

static json_t *read_manifest(void) {
  static const char contract[] =
#include "contract.h"
      ;
  return json_loads(contract, 0, NULL);
}

// --- the protocol

#define LIMIT (1 << 20) // the longest line that is taken: what holds before the handshake, and is declared for after it

static enum { NEW, READY, CLOSING } phase;
static size_t host_limit = LIMIT; // the longest line that the host takes
static json_t *manifest;

static json_t *ping(json_t *params) {
  (void)params;
  return result(json_object());
}

static json_t *discover(json_t *params) {
  (void)params;
  return result(json_incref(manifest));
}

static json_t *shutting_down(json_t *params) {
  (void)params;
  phase = CLOSING;
  return result(json_null());
}

static json_t *initialize(json_t *params) {
  size_t at;
  json_t *version;
  bool is_spoken = false;
  json_array_foreach(json_object_get(params, "protocolVersions"), at, version) {
    is_spoken = is_spoken || json_integer_value(version) == 1;
  }
  if (!is_spoken)
    return fault(-32001, "only version 1 is spoken here", json_pack("{s:[i]}", "supported", 1));
  if (!json_object_get(params, "config"))
    json_object_set_new(params, "config", json_object());
  json_t *error = configure(json_object_get(params, "config"));
  if (error)
    return error;
  phase = READY;
  const json_t *limit = json_object_get(json_object_get(params, "limits"), "maxLineBytes");
  host_limit = limit ? (size_t)json_integer_value(limit) : 16 << 20;
  return result(json_pack("{s:i, s:{s:s, s:s}, s:O, s:{s:i, s:i}}", "protocolVersion", 1, "plugin", "name", NAME,
                          "version", VERSION, "provides",
                          json_object_get(json_object_get(manifest, "x-plugline"), "provides"), "limits",
                          "maxLineBytes", LIMIT, "maxInFlight", 1));
}

// What every plugin has.
static const struct method own[] = {
    {"rpc.ping", "{}", ping},
    {"rpc.discover", "{}", discover},
    {"rpc.initialize",
     "{\"protocolVersions\": \"integers\", \"host?\": {\"name\": \"string\", \"version\": \"string\"},"
     " \"instance?\": \"string\", \"limits?\": {\"maxLineBytes?\": 65536, \"maxInFlight?\": 1, \"maxDepth?\": 1,"
     " \"streamWindowBytes?\": 65536}, \"capabilities?\": {\"progress?\": {}, \"log?\": {}, \"streams?\": {},"
     " \"callbacks?\": {\"methods\": \"strings\"}}}",
     initialize},
    {"rpc.shutdown", "{\"graceMs?\": 0}", shutting_down},
    {NULL, NULL, NULL},
};

static json_t *result(json_t *value) { return json_pack("{s:o}", "result", value); }

static json_t *fault(int code, const char *message, json_t *data) {
  return json_pack("{s:{s:i, s:s, s:o*}}", "error", "code", code, "message", message, "data", data);
}

static json_t *text(const char *format, ...) {
  va_list values;
  va_start(values, format);
  json_t *text = json_vsprintf(format, values);
  va_end(values);
  return text;
}

static bool is_kind(const json_t *value, const char *kind) {
  if (strcmp(kind, "string") == 0)
    return json_is_string(value);
  if (strcmp(kind, "integer") == 0)
    return json_is_integer(value);
  size_t at; // "strings" or "integers"
  json_t *item;
  json_array_foreach(value, at, item) {
    if (!is_kind(item, kind[0] == 's' ? "string" : "integer"))
      return false;
  }
  return json_is_array(value);
}

static bool is_one_of(const json_t *value, const json_t *values) {
  size_t at;
  json_t *allowed;
  json_array_foreach(values, at, allowed) {
    if (json_equal(value, allowed))
      return true;
  }
  return false;
}

static bool is_right(const json_t *value, const json_t *shape) {
  if (json_is_string(shape))
    return is_kind(value, json_string_value(shape));
  if (json_is_integer(shape))
    return json_is_integer(value) && json_integer_value(value) >= json_integer_value(shape);
  return json_is_array(shape) ? is_one_of(value, shape) : json_is_object(value);
}

static void add_faults(const json_t *value, const json_t *shape, const char *path, json_t *wrong) {
  if (!is_right(value, shape)) {
    json_array_append_new(wrong, json_pack("{s:s, s:s}", "path", path, "message", "missing or wrong"));
    return;
  }
  const char *key;
  json_t *inner;
  json_object_foreach((json_t *)shape, key, inner) {
    json_auto_t *name = json_stringn(key, strcspn(key, "?"));
    json_auto_t *below = text("%s/%s", path, json_string_value(name));
    const json_t *member = json_object_get(value, json_string_value(name));
    if (member || !strchr(key, '?'))
      add_faults(member, inner, json_string_value(below), wrong);
  }
}

static json_t *faults(const json_t *value, const json_t *shape) {
  json_t *wrong = json_array();
  add_faults(value, shape, "", wrong);
  return wrong;
}

// The JSON Pointer of a member.
static json_t *pointer(const char *name) {
  char *path = calloc(2 * strlen(name) + 2, 1), *end = path;
  if (!path)
    abort();
  *end++ = '/';
  for (; *name; name++) {
    if (*name == '~' || *name == '/')
      *end++ = '~';
    *end++ = *name == '~' ? '0' : *name == '/' ? '1' : *name;
  }
  json_t *text = json_string(path);
  free(path);
  return text;
}

// The same for members that are not to be there.
static void add_unknown(const json_t *value, const json_t *shape, json_t *wrong) {
  const char *name;
  json_t *member;
  json_object_foreach((json_t *)value, name, member) {
    json_auto_t *optional = text("%s?", name);
    if (!json_object_get(shape, name) && !json_object_get(shape, json_string_value(optional)))
      json_array_append_new(wrong, json_pack("{s:o, s:s}", "path", pointer(name), "message", "unknown"));
  }
}

static const struct method *look_up(const struct method *methods, const char *name) {
  while (methods->name && strcmp(methods->name, name) != 0)
    methods++;
  return methods->name ? methods : NULL;
}

static json_t *call(const char *name, json_t *params) {
  const struct method *method = look_up(own, name);
  bool is_own = method;
  if (phase == CLOSING && strcmp(name, "rpc.ping") != 0)
    return fault(-32003, "shutting down", NULL);
  if (phase == NEW && !is_own)
    return fault(-32000, "not initialized", NULL);
  if (phase == READY && strcmp(name, "rpc.initialize") == 0)
    return fault(-32600, "initialized already", NULL);
  if (!is_own)
    method = look_up(methods, name);
  if (!method)
    return fault(-32601, "no such method", NULL);
  json_object_del(params, "_meta");
  json_auto_t *shape = json_loads(method->params, 0, NULL);
  json_auto_t *wrong = faults(params, shape);
  if (!is_own)
    add_unknown(params, shape, wrong);
  if (json_array_size(wrong) > 0)
    return fault(-32602, "the params are wrong", json_pack("{s:O}", "errors", wrong));
  return method->run(params);
}

static void respond(json_t *id, json_t *body) {
  json_auto_t *answer = json_pack("{s:s, s:O?}", "jsonrpc", "2.0", "id", id);
  json_object_update(answer, body);
  json_decref(body);
  char *line = json_dumps(answer, JSON_COMPACT);
  size_t size = line ? strlen(line) : 0;
  if (!line)
    respond(id, fault(-32603, "the answer is no JSON", NULL));
  else if (size > host_limit)
    respond(id, fault(-32007, "the answer is too long",
                      json_pack("{s:I, s:I}", "limit", (json_int_t)host_limit, "size", (json_int_t)size)));
  else if (puts(line) == EOF || fflush(stdout) == EOF)
    _exit(1); // nobody reads any more
  free(line);
}

static bool is_id(const json_t *id) {
  json_int_t number = json_integer_value(id);
  return json_is_string(id) ? json_string_length(id) <= 256
                            : json_is_integer(id) && number >= 0 && number < (json_int_t)1 << 53;
}

// jansson keeps names as C strings and refuses one with a NUL. No name that is known here has any, so that another
// character in its place does as well.
static json_t *parse(char *line, size_t length, json_error_t *error) {
  json_t *value;
  while (!(value = json_loadb(line, length, JSON_DECODE_ANY | JSON_ALLOW_NUL, error)) &&
         json_error_code(error) == json_error_null_byte_in_key) {
    char *escape = line + error->position - strlen("\\u0000");
    while (memcmp(escape, "\\u0000", strlen("\\u0000")) != 0)
      escape--;
    escape[strlen("\\u000")] = '1';
  }
  return value;
}

// Answers a line, but for a notification or a response.
static void answer(char *line, size_t length) {
  json_error_t error;
  json_auto_t *message = parse(line, length, &error);
  if (!message) {
    respond(NULL, fault(-32700, "the line is not JSON", json_pack("{s:s}", "reason", error.text)));
    return;
  }
  json_t *id = json_object_get(message, "id");
  const json_t *method = json_object_get(message, "method");
  json_auto_t *params = json_incref(json_object_get(message, "params"));
  const char *version = json_string_value(json_object_get(message, "jsonrpc"));
  int outcomes = !!json_object_get(message, "result") + !!json_object_get(message, "error");
  bool is_spoken = version && strcmp(version, "2.0") == 0;
  bool is_notification = json_is_string(method) && !id && outcomes == 0;
  bool is_response = !method && outcomes == 1 && is_id(id) && is_spoken;
  if (!params)
    params = json_object();
  if (is_notification || is_response)
    fprintf(stderr, "ignored: %.*s\n", length < 200 ? (int)length : 200, line);
  else if (!json_is_object(message) || outcomes > 0 || !method || !is_id(id))
    respond(NULL, fault(-32600, "neither a request nor a notification", NULL));
  else if (!is_spoken || !json_is_string(method) || !(json_is_object(params) || json_is_array(params)))
    respond(id, fault(-32600, "jsonrpc, method or params are wrong", NULL));
  else
    respond(id, call(json_string_value(method), params));
}

// Reads a line, without its LF; of one that is too long, only its length. False at the end.
static bool read_line(char *line, size_t *length) {
  *length = 0;
  for (int c; (c = getchar()) != EOF; ++*length) {
    if (c == '\n')
      return true;
    if (*length < LIMIT)
      line[*length] = (char)c;
  }
  return false; // what no LF ends is no line
}

static void end(int signal) {
  (void)signal;
  _exit(0);
}

static void nothing(int signal) { (void)signal; }

int main(void) {
  manifest = read_manifest();
  if (!manifest) {
    fputs("the manifest cannot be read\n", stderr);
    return 1;
  }
  json_t *info = json_object_get(manifest, "info");
  json_object_set_new(info, "title", json_string(NAME));
  json_object_set_new(info, "version", json_string(VERSION));

  sigset_t term;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  sigaction(SIGTERM, &(struct sigaction){.sa_handler = end}, NULL);
  // SIGINT is meant for the host, who will say so.
  sigaction(SIGINT, &(struct sigaction){.sa_handler = nothing, .sa_flags = SA_RESTART}, NULL);

  static char buffer[LIMIT];
  size_t length;
  for (bool is_first = true; read_line(buffer, &length); is_first = false) {
    sigprocmask(SIG_BLOCK, &term, NULL); // what was asked is answered first
    char *line = buffer;
    if (is_first && length >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0) {
      line += 3;
      length -= 3;
    }
    if (length > LIMIT)
      respond(NULL, fault(-32007, "the line is too long",
                          json_pack("{s:i, s:I}", "limit", LIMIT, "size", (json_int_t)length)));
    else
      for (size_t i = 0; i < length; i++) {
        if (!strchr(" \t\r", line[i]) || !line[i]) {
          answer(line, length);
          break;
        }
      }
    sigprocmask(SIG_UNBLOCK, &term, NULL);
  }
  json_decref(manifest);
  return 0;
}
