import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * JSON as RFC 8259 has it and no wider, since the JDK has none: maps, lists, strings, booleans, null, and numbers, which
 * are longs where they are written as integers that a long can hold, and doubles otherwise.
 */
final class Json {
    static final class NotJson extends Exception {
        NotJson(String message) {
            super(message);
        }
    }

    private static final int DEPTH = 500;
    private static final Pattern NUMBER = Pattern.compile("-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][-+]?[0-9]+)?");
    private static final Pattern INTEGER = Pattern.compile("0|-?[1-9][0-9]{0,17}"); // -0 has a sign to keep
    private static final String ESCAPES = "\"\\/bfnrt";
    private static final String ESCAPED = "\"\\/\b\f\n\r\t";

    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    static Object parse(byte[] bytes) throws NotJson {
        try {
            var json = new Json(StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString());
            Object value = json.value(0);
            json.space();
            return json.at == json.text.length() ? value : json.fail("something follows it");
        } catch (CharacterCodingException why) {
            throw new NotJson("it is not UTF-8");
        }
    }

    static String write(Object value) {
        var text = new StringBuilder();
        write(value, text);
        return text.toString();
    }

    private Object value(int depth) throws NotJson {
        space();
        if (depth > DEPTH) {
            return fail("it is nested too deep");
        }
        switch (peek()) {
            case '{':
                var members = new LinkedHashMap<String, Object>();
                for (at++; !ends('}', members.isEmpty()); ) {
                    space();
                    String name = peek() == '"' ? string() : fail("a name is a string");
                    space();
                    expect(":");
                    members.put(name, value(depth + 1));
                }
                return members;
            case '[':
                var items = new ArrayList<>();
                for (at++; !ends(']', items.isEmpty()); ) {
                    items.add(value(depth + 1));
                }
                return items;
            case '"':
                return string();
            case 't':
                return expect("true", true);
            case 'f':
                return expect("false", false);
            case 'n':
                return expect("null", null);
            default:
                return number();
        }
    }

    /** Whether a list or an object ends here; otherwise a comma was taken, but for the first part. */
    private boolean ends(char bracket, boolean isFirst) throws NotJson {
        space();
        if (peek() == bracket) {
            at++;
            return true;
        }
        if (!isFirst) {
            expect(",");
        }
        return false;
    }

    private Object number() throws NotJson {
        Matcher number = NUMBER.matcher(text).region(at, text.length());
        if (!number.lookingAt()) {
            return fail("a value is missing");
        }
        at = number.end();
        String digits = number.group();
        if (INTEGER.matcher(digits).matches()) {
            return Long.valueOf(digits);
        }
        return Double.valueOf(digits);
    }

    private String string() throws NotJson {
        var string = new StringBuilder();
        for (at++; peek() != '"'; at++) {
            char c = peek();
            if (c < ' ') { // so is the end
                return fail("a string has a control character, or no end");
            }
            string.append(c == '\\' ? escape() : c);
        }
        at++;
        for (int i = 0; i < string.length(); i += Character.charCount(string.codePointAt(i))) {
            if (Character.getType(string.codePointAt(i)) == Character.SURROGATE) {
                return fail("a string has half a character");
            }
        }
        return string.toString();
    }

    private char escape() throws NotJson {
        at++;
        int simple = ESCAPES.indexOf(peek());
        if (simple >= 0) {
            return ESCAPED.charAt(simple);
        }
        String unit = text.substring(at, Math.min(at + 5, text.length()));
        if (!unit.matches("u[0-9a-fA-F]{4}")) {
            return fail("an escape is wrong");
        }
        at += 4;
        return (char) Integer.parseInt(unit.substring(1), 16);
    }

    private void space() {
        while (" \t\r\n".indexOf(peek()) >= 0) {
            at++;
        }
    }

    /** The next character; NUL, which is nowhere in JSON, at the end. */
    private char peek() {
        return at < text.length() ? text.charAt(at) : '\0';
    }

    private void expect(String word) throws NotJson {
        if (!text.startsWith(word, at)) {
            fail(word + " is missing");
        }
        at += word.length();
    }

    private Object expect(String word, Object value) throws NotJson {
        expect(word);
        return value;
    }

    private <T> T fail(String why) throws NotJson {
        throw new NotJson(why + ", at character " + at);
    }

    private static void write(Object value, StringBuilder text) {
        if (value instanceof Map<?, ?> members) {
            String before = "{";
            for (var member : members.entrySet()) {
                write(member.getKey(), text.append(before));
                write(member.getValue(), text.append(':'));
                before = ",";
            }
            text.append(members.isEmpty() ? "{}" : "}");
        } else if (value instanceof List<?> items) {
            String before = "[";
            for (Object item : items) {
                write(item, text.append(before));
                before = ",";
            }
            text.append(items.isEmpty() ? "[]" : "]");
        } else if (value instanceof String string) {
            text.append('"');
            for (char c : string.toCharArray()) {
                text.append(c < ' ' || c == '"' || c == '\\' ? String.format("\\u%04x", (int) c) : c);
            }
            text.append('"');
        } else {
            text.append(value);
        }
    }
}
