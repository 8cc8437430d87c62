package io.patchbay.cluster.decode;

import jakarta.json.Json;
import jakarta.json.JsonException;
import jakarta.json.stream.JsonParser;
import jakarta.json.stream.JsonParser.Event;
import jakarta.json.stream.JsonParserFactory;
import java.io.ByteArrayInputStream;
import java.io.InputStreamReader;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * JSON that is in order, at a tenth of what reading it as YAML costs: ten thousand services are ten million characters. Knows the lines of
 * documents and of items, and no other places; where anything is wrong the text is read again as YAML, which names them.
 */
final class JsonText<T> {
    private static final JsonParserFactory FACTORY = Json.createParserFactory(Map.of());

    private static final class Unfit extends RuntimeException {
        private static final long serialVersionUID = 1L;

        Unfit() {
            super(null, null, false, false);
        }
    }

    private static final int MANY = 16;

    private final JsonParser parser;
    private final Tree.Origin origin;
    private final Trees.Reader<T> reader;
    private final List<T> into;
    private int depth;

    private JsonText(JsonParser parser, Tree.Origin origin, Trees.Reader<T> reader, List<T> into) {
        this.parser = parser;
        this.origin = origin;
        this.reader = reader;
        this.into = into;
    }

    /** Whether an object begins it, which is what manifests are. */
    static boolean isLikely(byte[] utf8) {
        if (utf8.length > YamlText.MAX_CODE_POINTS) return false;
        for (byte b : utf8) {
            if (b == '{') return true;
            if (b != ' ' && b != '\t' && b != '\r' && b != '\n') return false;
        }
        return false;
    }

    /** @return whether the text is one JSON object without a flaw; otherwise what is in {@code into} is worth nothing */
    static <T> boolean read(String file, byte[] utf8, Problems problems, Trees.Reader<T> reader, List<T> into) {
        InputStreamReader text = new InputStreamReader(new ByteArrayInputStream(utf8),
                StandardCharsets.UTF_8.newDecoder().onMalformedInput(CodingErrorAction.REPORT).onUnmappableCharacter(CodingErrorAction.REPORT));
        try (JsonParser parser = FACTORY.createParser(text)) {
            new JsonText<>(parser, new Tree.Origin(file, 1, problems), reader, into).document();
            return true;
        } catch (JsonException | Unfit | StackOverflowError e) {
            return false;
        }
    }

    private void document() {
        parser.next();
        int line = line();
        List<Parsed.Member> members = new ArrayList<>();
        Set<String> keys = new HashSet<>();
        while (parser.next() == Event.KEY_NAME) {
            String key = key(keys);
            Event event = parser.next();
            if (event == Event.START_ARRAY && reader.takesItems() && key.equals("items")) {
                items();
                members.add(new Parsed.Member(key, new Parsed.Sequence(List.of(), 0, 0), 0, 0));
            } else {
                members.add(new Parsed.Member(key, value(event, 0), 0, 0));
            }
        }
        // something behind the object ends in an exception here
        if (parser.hasNext()) throw new Unfit();
        reader.document(new Tree(origin, new Parsed.Mapping(members, line, 1), Step.ROOT, true), into);
    }

    private void items() {
        Step items = Step.ROOT.key("items");
        int i = 0;
        for (Event event = parser.next(); event != Event.END_ARRAY; event = parser.next()) {
            reader.item(new Tree(origin, value(event, line()), items.item(i++), true), into);
        }
    }

    private String key(Set<String> keys) {
        String key = parser.getString();
        if (!keys.add(key)) throw new Unfit();
        return key;
    }

    private Parsed value(Event event, int line) {
        if (++depth > YamlText.MAX_DEPTH) throw new Unfit();
        Parsed value = read(event, line);
        depth--;
        return value;
    }

    private Parsed read(Event event, int line) {
        switch (event) {
            case START_OBJECT -> {
                List<Parsed.Member> members = new ArrayList<>(4);
                Set<String> keys = null;
                while (parser.next() == Event.KEY_NAME) {
                    String key = parser.getString();
                    // few keys, as nearly always, cost less without a set
                    if (members.size() == MANY) keys = members.stream().map(Parsed.Member::key).collect(Collectors.toCollection(HashSet::new));
                    if (keys != null ? !keys.add(key) : members.stream().anyMatch(m -> m.key().equals(key))) throw new Unfit();
                    members.add(new Parsed.Member(key, value(parser.next(), 0), 0, 0));
                }
                return new Parsed.Mapping(members, line, 0);
            }
            case START_ARRAY -> {
                List<Parsed> values = new ArrayList<>();
                for (Event e = parser.next(); e != Event.END_ARRAY; e = parser.next()) values.add(value(e, 0));
                return new Parsed.Sequence(values, line, 0);
            }
            case VALUE_STRING -> {
                return new Parsed.Scalar(Parsed.Type.STRING, parser.getString(), false, line, 0);
            }
            case VALUE_NUMBER -> {
                String text = parser.getString();
                boolean integer = text.chars().allMatch(c -> c == '-' || c >= '0' && c <= '9');
                return new Parsed.Scalar(integer ? Parsed.Type.INTEGER : Parsed.Type.FLOAT, text, true, line, 0);
            }
            case VALUE_TRUE, VALUE_FALSE -> {
                return new Parsed.Scalar(Parsed.Type.BOOLEAN, event == Event.VALUE_TRUE ? "true" : "false", true, line, 0);
            }
            case VALUE_NULL -> {
                return new Parsed.Scalar(Parsed.Type.NULL, "null", true, line, 0);
            }
            default -> throw new Unfit();
        }
    }

    private int line() {
        return (int) parser.getLocation().getLineNumber();
    }
}
