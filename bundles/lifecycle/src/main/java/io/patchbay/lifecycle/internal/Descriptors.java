package io.patchbay.lifecycle.internal;

import io.patchbay.api.datapath.Hook;
import io.patchbay.api.datapath.Stage;
import io.patchbay.api.feature.FeatureDescriptor;
import io.patchbay.api.feature.FeatureDescriptor.Disable;
import io.patchbay.api.feature.FeatureDescriptor.Migration;
import io.patchbay.api.feature.FeatureDescriptor.OwnedMap;
import io.patchbay.api.feature.FeatureDescriptor.UsedMap;
import jakarta.json.JsonArray;
import jakarta.json.JsonException;
import jakarta.json.JsonNumber;
import jakarta.json.JsonObject;
import jakarta.json.JsonString;
import jakarta.json.JsonValue;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.BiFunction;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import org.osgi.framework.Version;
import org.osgi.framework.VersionRange;

/** Reads {@code META-INF/patchbay/feature.json}, strictly: a misspelt key is refused with its place, never ignored. */
final class Descriptors {
    static final String ENTRY = "META-INF/patchbay/feature.json";

    /**
     * @param config these are all the keys there are
     */
    record Described(FeatureDescriptor descriptor, Map<String, Setting> config) {
    }

    private Descriptors() {
    }

    /** @param source for messages: {@code policy-1.2.0.jar} @throws IllegalArgumentException naming source and place */
    static Described parse(byte[] json, String source) {
        try {
            return read(Texts.parse(json));
        } catch (JsonException | IllegalArgumentException | ArithmeticException | ClassCastException e) {
            throw new IllegalArgumentException(source + ": " + ENTRY + ": " + e.getMessage(), e);
        }
    }

    private static Described read(JsonObject o) {
        known(o, "", "name", "version", "summary", "datapathAbi", "stages", "maps", "uses", "kernel", "disable", "requires", "commands", "onAddPath", "config");
        String name = text(o, "name", null);
        if (!name.matches("[a-z][a-z0-9-]*")) {
            throw new IllegalArgumentException("name: '" + name + "' may consist of a-z, 0-9 and -");
        }
        String version = text(o, "version", null);
        Version.parseVersion(version);
        String abi = text(o, "datapathAbi", null);
        new VersionRange(abi);
        List<Stage> stages = list(o, "stages", (s, at) -> {
            known(s, at, "object", "program", "hook", "order");
            int order = number(s, "order", at);
            Hook hook = hook(text(s, "hook", null, at), at);
            if (!hook.isSocket() && (order <= 100 || order >= 65535)) {
                throw new IllegalArgumentException(at + ".order: " + order + " is not between 101 and 65534, which are a feature's");
            }
            return new Stage(text(s, "object", null, at), text(s, "program", null, at), hook, order);
        });
        List<OwnedMap> maps = list(o, "maps", (m, at) -> {
            known(m, at, "name", "object", "schema", "migration", "maxEntries");
            String schema = text(m, "schema", null, at);
            Version.parseVersion(schema);
            return new OwnedMap(text(m, "name", null, at), text(m, "object", null, at), schema, oneOf(Migration.values(), text(m, "migration", null, at), at + ".migration"),
                    m.containsKey("maxEntries") ? number(m, "maxEntries", at) : 0);
        });
        List<UsedMap> uses = list(o, "uses", (u, at) -> {
            known(u, at, "name", "schema");
            String schema = text(u, "schema", null, at);
            new VersionRange(schema);
            return new UsedMap(text(u, "name", null, at), schema);
        });
        Map<String, Setting> config = new LinkedHashMap<>();
        if (o.containsKey("config")) {
            object(o.get("config"), "config").forEach((k, v) -> config.put(k, setting(v, "config." + k)));
            config.forEach((k, s) -> s.sizes().forEach(m -> {
                if (maps.stream().noneMatch(x -> x.name().equals(m))) {
                    throw new IllegalArgumentException("config." + k + ".sizes: " + m + " is none of the feature's maps");
                }
            }));
        }
        return new Described(new FeatureDescriptor(name, version, text(o, "summary", null), abi, stages, maps, uses, strings(o, "kernel"),
                oneOf(Disable.values(), text(o, "disable", null), "disable"), strings(o, "requires"), strings(o, "commands"), flag(o, "onAddPath")), Map.copyOf(config));
    }

    /** A text is a default without further conditions. */
    private static Setting setting(JsonValue v, String at) {
        if (v instanceof JsonString s) {
            return Setting.text(s.getString());
        }
        if (!(v instanceof JsonObject o)) {
            throw new IllegalArgumentException(at + " must be a text in quotes, or an object with default and type");
        }
        known(o, at, "default", "type", "min", "max", "values", "pattern", "description", "sizes");
        Setting.Type type = oneOf(Setting.Type.values(), text(o, "type", "text", at), at + ".type");
        for (String only : List.of("min", "max")) {
            if (o.containsKey(only) && type != Setting.Type.INT) {
                throw new IllegalArgumentException(at + "." + only + " is for type int only");
            }
        }
        List<String> values = strings(o, "values");
        if (values.isEmpty() == (type == Setting.Type.CHOICE)) {
            throw new IllegalArgumentException(at + ".values is for type choice, which needs it");
        }
        String pattern = text(o, "pattern", "", at);
        if (!pattern.isEmpty()) {
            if (type != Setting.Type.TEXT) {
                throw new IllegalArgumentException(at + ".pattern is for type text only");
            }
            try {
                Pattern.compile(pattern);
            } catch (PatternSyntaxException e) {
                throw new IllegalArgumentException(at + ".pattern: " + e.getMessage(), e);
            }
        }
        Setting s = new Setting(text(o, "default", null, at), type, o.containsKey("min") ? (Long) whole(o, "min", at) : null,
                o.containsKey("max") ? (Long) whole(o, "max", at) : null, values, pattern, text(o, "description", "", at), strings(o, "sizes"));
        s.problem(s.standard()).ifPresent(p -> {
            throw new IllegalArgumentException(at + ".default: " + p);
        });
        List<String> sizes = s.type() == Setting.Type.CHOICE ? s.values() : s.type() == Setting.Type.INT ? List.of(s.standard()) : List.of("");
        if (!s.sizes().isEmpty() && (s.min() == null || s.min() < 1 || s.max() == null || s.max() > Integer.MAX_VALUE) && s.type() == Setting.Type.INT
                || !s.sizes().isEmpty() && !sizes.stream().allMatch(n -> n.matches("[1-9]\\d{0,8}"))) {
            throw new IllegalArgumentException(at + ".sizes is for numbers of entries: type int with min and max, or a choice of such");
        }
        return s;
    }

    private static Hook hook(String text, String at) {
        try {
            return Hook.ofText(text);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(at + ".hook: " + e.getMessage(), e);
        }
    }

    private static void known(JsonObject o, String at, String... names) {
        Set<String> unknown = new TreeSet<>(o.keySet());
        unknown.removeAll(Arrays.asList(names));
        if (!unknown.isEmpty()) {
            throw new IllegalArgumentException(at + (at.isEmpty() ? "" : ".") + unknown.iterator().next() + " is no field; known: " + String.join(", ", names));
        }
    }

    private static <T> List<T> list(JsonObject o, String name, BiFunction<JsonObject, String, T> each) {
        List<T> all = new ArrayList<>();
        if (o.containsKey(name)) {
            int i = 0;
            for (JsonValue v : array(o.get(name), name)) {
                String at = name + "[" + i++ + "]";
                all.add(each.apply(object(v, at), at));
            }
        }
        return List.copyOf(all);
    }

    private static List<String> strings(JsonObject o, String name) {
        List<String> all = new ArrayList<>();
        if (o.containsKey(name)) {
            int i = 0;
            for (JsonValue v : array(o.get(name), name)) {
                all.add(string(v, name + "[" + i++ + "]"));
            }
        }
        return List.copyOf(all);
    }

    private static JsonArray array(JsonValue v, String at) {
        if (v instanceof JsonArray a) {
            return a;
        }
        throw new IllegalArgumentException(at + " must be a list");
    }

    private static JsonObject object(JsonValue v, String at) {
        if (v instanceof JsonObject o) {
            return o;
        }
        throw new IllegalArgumentException(at + " must be an object");
    }

    private static String string(JsonValue v, String at) {
        if (v instanceof JsonString s) {
            return s.getString();
        }
        throw new IllegalArgumentException(at + " must be a text in quotes");
    }

    private static String text(JsonObject o, String name, String otherwise) {
        return text(o, name, otherwise, "");
    }

    private static String text(JsonObject o, String name, String otherwise, String at) {
        JsonValue v = o.get(name);
        if (v == null) {
            if (otherwise == null) {
                throw new IllegalArgumentException((at.isEmpty() ? "" : at + ".") + name + " is missing");
            }
            return otherwise;
        }
        return string(v, (at.isEmpty() ? "" : at + ".") + name);
    }

    private static int number(JsonObject o, String name, String at) {
        return Math.toIntExact(whole(o, name, at));
    }

    private static long whole(JsonObject o, String name, String at) {
        if (o.get(name) instanceof JsonNumber n && n.isIntegral()) {
            return n.longValueExact();
        }
        throw new IllegalArgumentException(at + "." + name + " must be a whole number");
    }

    private static boolean flag(JsonObject o, String name) {
        JsonValue v = o.getOrDefault(name, JsonValue.FALSE);
        if (v != JsonValue.TRUE && v != JsonValue.FALSE) {
            throw new IllegalArgumentException(name + " must be true or false");
        }
        return v == JsonValue.TRUE;
    }

    private static <T extends Enum<T>> T oneOf(T[] values, String text, String at) {
        List<String> known = new ArrayList<>();
        for (T v : values) {
            String name = v.name().toLowerCase(Locale.ROOT);
            if (name.equals(text)) {
                return v;
            }
            known.add(name);
        }
        throw new IllegalArgumentException(at + ": '" + text + "' is none of " + String.join(", ", known));
    }
}
