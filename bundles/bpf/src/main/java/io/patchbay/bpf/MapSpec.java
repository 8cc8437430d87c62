package io.patchbay.bpf;

import io.patchbay.bpf.btf.Btf;
import io.patchbay.bpf.btf.TypeDifference;
import java.util.Objects;
import java.util.Optional;

/**
 * What a map is to be: read from an object file, or made by hand. Sizes in bytes. {@code btf} is absent for a map without types; the type
 * ids are 0 then. {@code inner} is the definition of the maps inside a map of maps.
 */
public record MapSpec(String name, MapType type, int keySize, int valueSize, int maxEntries, int flags, long extra, Optional<Btf> btf, int keyType,
                      int valueType, Optional<MapSpec> inner) {
    /** Hash: allocate entries when they are added. An LPM trie demands it. */
    public static final int NO_PREALLOC = 1;
    /** Array: can be mapped into this process. */
    public static final int MMAPABLE = 1 << 10;
    /** Array: programs only read it. */
    public static final int RDONLY_PROG = 1 << 7;

    public MapSpec {
        Objects.requireNonNull(name);
        Objects.requireNonNull(type);
    }

    /** A map without types. */
    public static MapSpec of(String name, MapType type, int keySize, int valueSize, int maxEntries) {
        return new MapSpec(name, type, keySize, valueSize, maxEntries, 0, 0, Optional.empty(), 0, 0, Optional.empty());
    }

    public MapSpec withMaxEntries(int entries) {
        return new MapSpec(name, type, keySize, valueSize, entries, flags, extra, btf, keyType, valueType, inner);
    }

    public MapSpec withFlags(int newFlags) {
        return new MapSpec(name, type, keySize, valueSize, maxEntries, newFlags, extra, btf, keyType, valueType, inner);
    }

    public MapSpec withName(String newName) {
        return new MapSpec(newName, type, keySize, valueSize, maxEntries, flags, extra, btf, keyType, valueType, inner);
    }

    /**
     * Why a map of {@code other} cannot stand in for this one: kind, sizes or the layout of key or value differ. The number of entries is not
     * compared. Where one of the two has no types, sizes decide.
     *
     * @return empty when it can; else text that names the difference and prints both layouts
     */
    public Optional<String> difference(MapSpec other) {
        if (type != other.type || keySize != other.keySize || valueSize != other.valueSize || flags != other.flags) {
            return Optional.of(shape() + " against " + other.shape() + layouts(other));
        }
        if (btf.isEmpty() || other.btf.isEmpty()) {
            return Optional.empty();
        }
        return compare("key", keyType, other, other.keyType).or(() -> compare("value", valueType, other, other.valueType));
    }

    private Optional<String> compare(String what, int mine, MapSpec other, int theirs) {
        if (mine == 0 || theirs == 0) {
            return Optional.empty();
        }
        return TypeDifference.between(btf.orElseThrow(), mine, other.btf.orElseThrow(), theirs).map(text -> what + ": " + text);
    }

    private String layouts(MapSpec other) {
        if (btf.isEmpty() || other.btf.isEmpty() || valueType == 0 || other.valueType == 0) {
            return "";
        }
        return compare("value", valueType, other, other.valueType).or(() -> compare("key", keyType, other, other.keyType)).map(t -> "\n" + t).orElse("");
    }

    private String shape() {
        return type + ", key " + keySize + " bytes, value " + valueSize + " bytes, flags 0x" + Integer.toHexString(flags);
    }
}
