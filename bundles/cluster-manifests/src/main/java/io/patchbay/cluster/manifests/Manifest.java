package io.patchbay.cluster.manifests;

import io.patchbay.api.cluster.Service;
import io.patchbay.cluster.decode.Decoded;
import io.patchbay.cluster.decode.Meta;
import java.util.List;
import java.util.Map;

/**
 * An object of a manifest as it is kept: its row and where it stands. Its text stays in the file.
 *
 * @param key      as {@link Decoded#key()}
 * @param file     as problems name it
 * @param document from 1
 * @param line     from 1; 0: not known
 * @param families of a Service, {@code spec.ipFamilies}, true for IPv4: whoever gives addresses needs it, and nobody after that
 */
public record Manifest(String key, String apiVersion, String kind, Meta meta, Object row, String file, int document, int line, List<Boolean> families) {
    static Manifest of(Decoded d) {
        return new Manifest(d.key(), d.apiVersion(), d.kind(), d.meta(), d.row(), d.tree().file(), d.tree().document(), d.tree().line(), families(d));
    }

    private static List<Boolean> families(Decoded d) {
        if (!(d.row() instanceof Service && d.tree().value() instanceof Map<?, ?> object && object.get("spec") instanceof Map<?, ?> spec
                && spec.get("ipFamilies") instanceof List<?> families)) {
            return List.of();
        }
        return families.stream().map(f -> f.equals("IPv4")).toList();
    }

    /** Whether both say the same, wherever they stand. */
    boolean saysTheSame(Manifest other) {
        return row.equals(other.row) && families.equals(other.families);
    }

    String place() {
        return "file " + file + ", document " + document + ", line " + line;
    }
}
