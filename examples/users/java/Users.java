import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

/**
 * The contract `users` 1.0.0 as a minimal plugin in Java, with the JDK alone, by protocol/SPEC.md alone. The first half
 * is what this plugin does; the second, the protocol, is the same in any other.
 */
public final class Users {
    private static final Map<String, Object> PLUGIN = Map.of("name", "users-java", "version", "0.1.0");

    // What a value must be: a test, or a map of such. A name that ends in `?` may be absent.
    private static final Predicate<Object> TEXT = String.class::isInstance;
    private static final Map<String, Object> OBJECT = Map.of();
    private static final Map<String, Object> ID = Map.of("opaque_id", TEXT, "idp", TEXT);
    private static final Map<String, Object> USER = Map.of(
            "id", ID, "username", TEXT, "mail", TEXT, "display_name", TEXT, "groups?", list(TEXT), "opaque?", OBJECT);
    private static final Map<String, Object> CONFIG = Map.of("file?", TEXT.or(value -> value == null));

    /** The methods of the contract: what their params must be, and what answers them. */
    private final Map<String, Method> methods = Map.of(
            "users.on_load", new Method(Map.of("file", TEXT), params -> load((String) params.get("file"))),
            "users.get_user", new Method(Map.of("id", ID), params -> find(hasId(params))),
            "users.get_user_groups", new Method(Map.of("id", ID), params -> find(hasId(params)).get("groups")),
            "users.get_user_by_claim", new Method(
                    Map.of("claim", oneOf("mail", "username", "display_name"), "value", TEXT),
                    params -> find(user -> user.get((String) params.get("claim")).equals(params.get("value")))),
            "users.find_users", new Method(
                    Map.of("query", TEXT), params -> search(((String) params.get("query")).toLowerCase())));

    private final Path data;
    private List<Map<String, Object>> users = List.of();

    private static List<Map<String, Object>> read(Path file) throws Unusable {
        try {
            if (!(Json.parse(Files.readAllBytes(file)) instanceof List<?> records)) {
                throw new Unusable("it is no list");
            }
            var users = new ArrayList<Map<String, Object>>();
            for (Object record : records) {
                for (var wrong : faults(record, USER, "")) {
                    throw new Unusable("/" + users.size() + wrong.get("path") + " is missing or wrong");
                }
                var user = new LinkedHashMap<>(object(record));
                user.remove("secret");
                user.putIfAbsent("groups", List.of());
                users.add(user);
            }
            return users;
        } catch (IOException | Json.NotJson why) {
            throw new Unusable(why.toString());
        }
    }

    private Object load(String file) throws Fault {
        try {
            users = read(Path.of(file));
            return null;
        } catch (Unusable | InvalidPathException why) {
            String reason = file + ": " + why.getMessage();
            throw new Fault(2, "the users cannot be loaded: " + reason, Map.of("reason", reason));
        }
    }

    private void configure(Object config) throws Fault {
        var errors = faults(config, CONFIG, "");
        errors.addAll(unknown(config, CONFIG));
        if (errors.isEmpty()) {
            try {
                Object file = object(config).get("file");
                users = read(file == null ? data : Path.of((String) file));
            } catch (Unusable | InvalidPathException why) {
                errors.add(Map.of("path", "/file", "message", why.getMessage()));
            }
        }
        if (!errors.isEmpty()) {
            throw new Fault(-32002, "the config is wrong", Map.of("errors", errors));
        }
    }

    private static Predicate<Map<String, Object>> hasId(Map<String, Object> params) {
        var id = object(params.get("id"));
        return user -> ID.keySet().stream().allMatch(part -> object(user.get("id")).get(part).equals(id.get(part)));
    }

    private Map<String, Object> find(Predicate<Map<String, Object>> is) throws Fault {
        return users.stream().filter(is).findFirst().orElseThrow(() -> new Fault(1, "no such user", null));
    }

    private List<Map<String, Object>> search(String query) {
        return users.stream()
                .filter(user -> List.of("username", "display_name", "mail", "id").stream()
                        .map(user::get)
                        .map(value -> (String) (value instanceof Map<?, ?> id ? id.get("opaque_id") : value))
                        .anyMatch(text -> text.toLowerCase().contains(query)))
                .toList();
    }

    private static final class Unusable extends Exception {
        Unusable(String why) {
            super(why);
        }
    }

    // --- the protocol

    /** The longest line that is taken: what holds before the handshake, and is declared for after it. */
    private static final int LIMIT = 1 << 20;
    private static final byte[] BOM = {(byte) 0xef, (byte) 0xbb, (byte) 0xbf};

    private static final Map<String, Object> INITIALIZE = Map.of(
            "protocolVersions", list(atLeast(-1L << 53)),
            "host?", Map.of("name", TEXT, "version", TEXT),
            "instance?", TEXT,
            "limits?", Map.of("maxLineBytes?", atLeast(65536), "maxInFlight?", atLeast(1), "maxDepth?", atLeast(1),
                    "streamWindowBytes?", atLeast(65536)),
            "capabilities?", Map.of("progress?", OBJECT, "log?", OBJECT, "streams?", OBJECT,
                    "callbacks?", Map.of("methods", list(TEXT))));

    /** What every plugin has. */
    private final Map<String, Method> own = Map.of(
            "rpc.ping", new Method(OBJECT, params -> Map.of()),
            "rpc.discover", new Method(OBJECT, params -> discover()),
            "rpc.initialize", new Method(INITIALIZE, this::initialize),
            "rpc.shutdown", new Method(Map.of("graceMs?", atLeast(0)), params -> shutDown()));

    private final Map<String, Object> manifest;
    private final OutputStream out = new FileOutputStream(FileDescriptor.out);
    private Phase phase = Phase.NEW;
    private long hostLimit = LIMIT; // the longest line that the host takes

    private enum Phase { NEW, READY, CLOSING }

    private record Method(Map<String, Object> params, Run run) {}

    private interface Run {
        Object run(Map<String, Object> params) throws Fault;
    }

    /** What is answered in place of a result. */
    private static final class Fault extends Exception {
        final Map<String, Object> error = new LinkedHashMap<>();

        Fault(int code, String message, Object data) {
            super(message);
            error.put("code", code);
            error.put("message", message);
            if (data != null) {
                error.put("data", data);
            }
        }
    }

    private Users(Path folder) throws IOException, Json.NotJson {
        data = folder.resolve("data/users.json");
        manifest = object(Json.parse(Files.readAllBytes(folder.resolve("users.openrpc.json"))));
        var info = object(manifest.get("info"));
        info.put("title", PLUGIN.get("name"));
        info.put("version", PLUGIN.get("version"));
    }

    private Object discover() {
        return manifest;
    }

    private Object initialize(Map<String, Object> params) throws Fault {
        if (!((List<?>) params.get("protocolVersions")).contains(1L)) {
            throw new Fault(-32001, "only version 1 is spoken here", Map.of("supported", List.of(1)));
        }
        configure(params.containsKey("config") ? params.get("config") : Map.of());
        phase = Phase.READY;
        var limits = object(params.getOrDefault("limits", Map.of()));
        hostLimit = limits.containsKey("maxLineBytes") ? ((Number) limits.get("maxLineBytes")).longValue() : 16 << 20;
        return Map.of(
                "protocolVersion", 1,
                "plugin", PLUGIN,
                "provides", object(manifest.get("x-plugline")).get("provides"),
                "limits", Map.of("maxLineBytes", LIMIT, "maxInFlight", 1));
    }

    private Object shutDown() {
        phase = Phase.CLOSING;
        return null;
    }

    private Object call(String name, Object params) throws Fault {
        if (phase == Phase.CLOSING && !name.equals("rpc.ping")) {
            throw new Fault(-32003, "shutting down", null);
        }
        if (phase == Phase.NEW && !own.containsKey(name)) {
            throw new Fault(-32000, "not initialized", null);
        }
        if (phase == Phase.READY && name.equals("rpc.initialize")) {
            throw new Fault(-32600, "initialized already", null);
        }
        Method method = own.getOrDefault(name, methods.get(name));
        if (method == null) {
            throw new Fault(-32601, "no such method", null);
        }
        if (params instanceof Map<?, ?> members) {
            members.remove("_meta");
        }
        var errors = faults(params, method.params, "");
        if (!own.containsKey(name)) {
            errors.addAll(unknown(params, method.params));
        }
        if (!errors.isEmpty()) {
            throw new Fault(-32602, "the params are wrong", Map.of("errors", errors));
        }
        return method.run.run(object(params));
    }

    /** Answers a line, but for a notification or a response. */
    private void answer(byte[] line) throws IOException {
        Object id = null;
        try {
            if (!(Json.parse(line) instanceof Map<?, ?> message)) {
                throw new Fault(-32600, "a message is an object", null);
            }
            Object method = message.get("method");
            Object params = message.containsKey("params") ? message.get("params") : new LinkedHashMap<>();
            boolean asks = message.containsKey("method");
            boolean hasResult = message.containsKey("result");
            boolean hasError = message.containsKey("error");
            boolean isValid = isId(message.get("id"));
            boolean isSpoken = "2.0".equals(message.get("jsonrpc"));
            boolean isNotification = TEXT.test(method) && !message.containsKey("id") && !hasResult && !hasError;
            boolean isResponse = !asks && hasResult != hasError && isValid && isSpoken;
            if (isNotification || isResponse) {
                System.err.println("ignored: " + Json.write(message.keySet().toString()));
                return;
            }
            if (hasResult || hasError || !asks || !isValid) {
                throw new Fault(-32600, "neither a request nor a notification", null);
            }
            id = message.get("id");
            if (!isSpoken || !TEXT.test(method) || !(params instanceof Map || params instanceof List)) {
                throw new Fault(-32600, "jsonrpc, method or params are wrong", null);
            }
            respond(id, "result", call((String) method, params));
        } catch (Json.NotJson why) {
            respond(null, "error", new Fault(-32700, "the line is not JSON: " + why.getMessage(), null).error);
        } catch (Fault fault) {
            respond(id, "error", fault.error);
        } catch (RuntimeException why) { // ours, not the host's
            why.printStackTrace();
            respond(id, "error", new Fault(-32603, "internal error", null).error);
        }
    }

    private void respond(Object id, String outcome, Object value) throws IOException {
        var answer = new LinkedHashMap<String, Object>();
        answer.put("jsonrpc", "2.0");
        answer.put("id", id);
        answer.put(outcome, value);
        byte[] line = (Json.write(answer) + "\n").getBytes(StandardCharsets.UTF_8);
        int size = line.length - 1;
        if (size > hostLimit) {
            var data = Map.of("limit", hostLimit, "size", size);
            respond(id, "error", new Fault(-32007, "the answer is too long", data).error);
        } else {
            out.write(line);
        }
    }

    private static boolean isId(Object id) {
        return id instanceof String text
                ? text.getBytes(StandardCharsets.UTF_8).length <= 256
                : id instanceof Long && atLeast(0).test(id);
    }

    private static Predicate<Object> list(Predicate<Object> is) {
        return value -> value instanceof List<?> items && items.stream().allMatch(is);
    }

    private static Predicate<Object> oneOf(Object... values) {
        return value -> Arrays.asList(values).contains(value);
    }

    private static Predicate<Object> atLeast(long least) {
        return value -> value instanceof Number number
                && number.longValue() == number.doubleValue()
                && number.longValue() >= least
                && number.longValue() < 1L << 53;
    }

    @SuppressWarnings("unchecked") // every map is from Json, or like those
    private static Map<String, Object> object(Object value) {
        return (Map<String, Object>) value;
    }

    @SuppressWarnings("unchecked")
    private static List<Map<String, Object>> faults(Object value, Object shape, String path) {
        var wrong = new ArrayList<Map<String, Object>>();
        if (shape instanceof Predicate<?> test ? !((Predicate<Object>) test).test(value) : !(value instanceof Map)) {
            wrong.add(Map.of("path", path, "message", "missing or wrong"));
        } else if (shape instanceof Map) {
            object(shape).forEach((key, inner) -> {
                String name = key.replace("?", "");
                if (name.equals(key) || object(value).containsKey(name)) {
                    wrong.addAll(faults(object(value).get(name), inner, path + "/" + name));
                }
            });
        }
        return wrong;
    }

    private static List<Map<String, Object>> unknown(Object value, Map<String, Object> shape) {
        var wrong = new ArrayList<Map<String, Object>>();
        if (value instanceof Map) {
            for (String name : object(value).keySet()) {
                if (!shape.containsKey(name) && !shape.containsKey(name + "?")) {
                    String path = "/" + name.replace("~", "~0").replace("/", "~1");
                    wrong.add(Map.of("path", path, "message", "unknown"));
                }
            }
        }
        return wrong;
    }

    /** Takes line after line until the input ends; what no LF ends is no line. */
    private void serve(InputStream in) throws IOException {
        var line = new ByteArrayOutputStream();
        int length = 0;
        boolean isFirst = true;
        for (int b; (b = in.read()) >= 0; ) {
            if (b != '\n') {
                if (++length <= LIMIT) {
                    line.write(b);
                }
                continue;
            }
            byte[] bytes = line.toByteArray();
            boolean hasBom = isFirst && Arrays.mismatch(bytes, BOM) == BOM.length;
            take(hasBom ? Arrays.copyOfRange(bytes, BOM.length, bytes.length) : bytes, length);
            line.reset();
            length = 0;
            isFirst = false;
        }
    }

    private synchronized void take(byte[] line, int length) throws IOException {
        if (length > LIMIT) {
            var data = Map.of("limit", LIMIT, "size", length);
            respond(null, "error", new Fault(-32007, "the line is too long", data).error);
        } else if (!new String(line, StandardCharsets.ISO_8859_1).matches("[ \t\r]*")) {
            answer(line);
        }
    }

    public static void main(String[] args) throws IOException, Json.NotJson, URISyntaxException {
        var classes = Path.of(Users.class.getProtectionDomain().getCodeSource().getLocation().toURI());
        var users = new Users(classes.resolve("../.."));
        // SIGTERM runs this too; what was asked is answered first.
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            synchronized (users) {
                Runtime.getRuntime().halt(0);
            }
        }));
        try {
            users.serve(new BufferedInputStream(System.in));
        } catch (IOException nobodyReads) {
            Runtime.getRuntime().halt(1);
        }
    }
}
