package io.patchbay.bpf;

import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/** How an object is loaded: which maps exist already, which programs, with which constants. Immutable; made by {@link #builder()}. */
public final class LoadOptions {
    /** Everything as the object says. */
    public static final LoadOptions NONE = builder().build();

    final String name;
    final Map<String, BpfMap> maps;
    final Set<String> asIs;
    final Map<String, Integer> maxEntries;
    final Set<String> skipped;
    final Map<String, ProgramType> types;
    final Map<String, AttachType> attachTypes;
    final Map<String, Object> constants;

    private LoadOptions(Builder b) {
        name = b.name;
        maps = Map.copyOf(b.maps);
        asIs = Set.copyOf(b.asIs);
        maxEntries = Map.copyOf(b.maxEntries);
        skipped = Set.copyOf(b.skipped);
        types = Map.copyOf(b.types);
        attachTypes = Map.copyOf(b.attachTypes);
        constants = new LinkedHashMap<>(b.constants);
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Names that the object does not have are refused when it is loaded. */
    public static final class Builder {
        private String name = "patchbay";
        private final Map<String, BpfMap> maps = new LinkedHashMap<>();
        private final Set<String> asIs = new HashSet<>();
        private final Map<String, Integer> maxEntries = new LinkedHashMap<>();
        private final Set<String> skipped = new HashSet<>();
        private final Map<String, ProgramType> types = new LinkedHashMap<>();
        private final Map<String, AttachType> attachTypes = new LinkedHashMap<>();
        private final Map<String, Object> constants = new LinkedHashMap<>();

        private Builder() { }

        /** The object's name: it prefixes the names of the kernel's maps for constants. */
        public Builder name(String objectName) {
            name = objectName;
            return this;
        }

        /** Uses an existing map. It stays the caller's; the loaded object holds a descriptor of its own. Layouts must agree. */
        public Builder map(String mapName, BpfMap map) {
            maps.put(mapName, map);
            return this;
        }

        /**
         * Uses an existing map whatever its layout: the object's programs find their way in it by constants, and the verifier judges
         * them by the sizes that the map really has.
         */
        public Builder mapAsIs(String mapName, BpfMap map) {
            maps.put(mapName, map);
            asIs.add(mapName);
            return this;
        }

        public Builder maps(Map<String, BpfMap> existing) {
            maps.putAll(existing);
            return this;
        }

        /** Another size for a map that is created. */
        public Builder maxEntries(String mapName, int entries) {
            maxEntries.put(mapName, entries);
            return this;
        }

        /** Leaves a program out. */
        public Builder skip(String program) {
            skipped.add(program);
            return this;
        }

        /** The program's type, where its section name does not tell. */
        public Builder type(String program, ProgramType type) {
            types.put(program, type);
            return this;
        }

        /** The attach type that the kernel is to expect. */
        public Builder attachType(String program, AttachType type) {
            attachTypes.put(program, type);
            return this;
        }

        /**
         * Sets a constant to a number, in the width that it has.
         *
         * @param path a variable, or a field of one through nested structs: {@code cfg.next.index}
         */
        public Builder constant(String path, long value) {
            constants.put(path, value);
            return this;
        }

        /** Sets a constant to bytes; as many as it has. */
        public Builder constant(String path, byte[] value) {
            constants.put(path, value.clone());
            return this;
        }

        public LoadOptions build() {
            return new LoadOptions(this);
        }
    }
}
