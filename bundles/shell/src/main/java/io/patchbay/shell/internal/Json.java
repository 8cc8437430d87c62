package io.patchbay.shell.internal;

import jakarta.json.JsonValue;
import jakarta.json.spi.JsonProvider;
import jakarta.json.JsonArrayBuilder;
import jakarta.json.JsonObjectBuilder;
import jakarta.json.JsonWriter;
import jakarta.json.stream.JsonGenerator;
import java.io.StringWriter;
import java.util.Map;

/** Strings, numbers, booleans, lists and maps of these as JSON text. */
final class Json {
    private static final JsonProvider JSON = JsonProvider.provider();

    private Json() {
    }

    static String text(Object value) {
        StringWriter w = new StringWriter();
        try (JsonWriter writer = JSON.createWriterFactory(Map.of(JsonGenerator.PRETTY_PRINTING, true)).createWriter(w)) {
            writer.write(value(value));
        }
        return w.toString().strip();
    }

    private static JsonValue value(Object o) {
        if (o == null) {
            return JsonValue.NULL;
        }
        if (o instanceof Map<?, ?> m) {
            JsonObjectBuilder b = JSON.createObjectBuilder();
            m.forEach((k, v) -> b.add(String.valueOf(k), value(v)));
            return b.build();
        }
        if (o instanceof Iterable<?> i) {
            JsonArrayBuilder b = JSON.createArrayBuilder();
            i.forEach(v -> b.add(value(v)));
            return b.build();
        }
        if (o instanceof Boolean b) {
            return b ? JsonValue.TRUE : JsonValue.FALSE;
        }
        if (o instanceof Double || o instanceof Float) {
            return JSON.createValue(((Number) o).doubleValue());
        }
        if (o instanceof Number n) {
            return JSON.createValue(n.longValue());
        }
        return JSON.createValue(o.toString());
    }
}
