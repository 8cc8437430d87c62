package io.patchbay.cluster.manifests;

import io.patchbay.cluster.decode.Decoded;
import io.patchbay.cluster.decode.Meta;

/**
 * An object of a manifest as it is kept: its row and where it stands. Its text stays in the file.
 *
 * @param key      as {@link Decoded#key()}
 * @param file     as problems name it
 * @param document from 1
 * @param line     from 1; 0: not known
 */
public record Manifest(String key, String apiVersion, String kind, Meta meta, Object row, String file, int document, int line) {
    static Manifest of(Decoded d) {
        return new Manifest(d.key(), d.apiVersion(), d.kind(), d.meta(), d.row(), d.tree().file(), d.tree().document(), d.tree().line());
    }

    String place() {
        return "file " + file + ", document " + document + ", line " + line;
    }
}
