package io.patchbay.lifecycle.internal;

import java.io.InputStream;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Supplier;
import org.osgi.service.metatype.AttributeDefinition;
import org.osgi.service.metatype.MetaTypeProvider;
import org.osgi.service.metatype.ObjectClassDefinition;

/**
 * The features' configuration as metatype has it, for tools that show forms: an object class for each PID {@code io.patchbay.FEATURE}, made from the
 * descriptors, a vendor's as well. Thread-safe.
 */
final class Forms implements MetaTypeProvider {
    private final Supplier<Map<String, Setting>> settings;

    /** @param settings all keys, {@code feature.key} */
    Forms(Supplier<Map<String, Setting>> settings) {
        this.settings = settings;
    }

    /** Of the features that can be configured; lifecycle's own keys are no configuration of a bundle. */
    String[] pids() {
        Set<String> all = new TreeSet<>();
        settings.get().keySet().forEach(k -> all.add(Repository.PID + k.substring(0, k.indexOf('.'))));
        all.remove(Repository.PID + Configuration.SELF);
        return all.toArray(String[]::new);
    }

    /** @param locale there is one language */
    @Override
    public ObjectClassDefinition getObjectClassDefinition(String id, String locale) {
        String feature = id.startsWith(Repository.PID) ? id.substring(Repository.PID.length()) : id;
        Map<String, Setting> own = new TreeMap<>();
        settings.get().forEach((k, s) -> {
            if (k.startsWith(feature + ".")) {
                own.put(k.substring(feature.length() + 1), s);
            }
        });
        if (own.isEmpty()) {
            throw new IllegalArgumentException("there is no form for " + id);
        }
        return new Form(id, feature, own.entrySet().stream().map(e -> (AttributeDefinition) new Field(e.getKey(), e.getValue())).toArray(AttributeDefinition[]::new));
    }

    @Override
    public String[] getLocales() {
        return null;
    }

    private record Form(String id, String feature, AttributeDefinition[] fields) implements ObjectClassDefinition {
        @Override
        public String getName() {
            return feature;
        }

        @Override
        public String getID() {
            return id;
        }

        @Override
        public String getDescription() {
            return "Feature " + feature + "; to change a value: config set " + feature + ".KEY=VALUE";
        }

        /** Every key has a default. */
        @Override
        public AttributeDefinition[] getAttributeDefinitions(int filter) {
            return filter == REQUIRED ? null : fields.clone();
        }

        @Override
        public InputStream getIcon(int size) {
            return null;
        }
    }

    private record Field(String key, Setting setting) implements AttributeDefinition {
        @Override
        public String getName() {
            return key;
        }

        @Override
        public String getID() {
            return key;
        }

        @Override
        public String getDescription() {
            return setting.description();
        }

        @Override
        public int getCardinality() {
            return 0;
        }

        @Override
        public int getType() {
            return switch (setting.type()) {
                case INT -> LONG;
                case BOOL -> BOOLEAN;
                default -> STRING;
            };
        }

        @Override
        public String[] getOptionValues() {
            return setting.values().isEmpty() ? null : setting.values().toArray(String[]::new);
        }

        @Override
        public String[] getOptionLabels() {
            return getOptionValues();
        }

        @Override
        public String validate(String value) {
            return setting.problem(value).orElse("");
        }

        @Override
        public String[] getDefaultValue() {
            return List.of(setting.standard()).toArray(String[]::new);
        }
    }
}
