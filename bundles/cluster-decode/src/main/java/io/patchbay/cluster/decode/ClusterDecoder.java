package io.patchbay.cluster.decode;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.function.Function;

/** Decodes files of Kubernetes objects: several documents to a file, lists ({@code kind: List}) taken apart. Stateless, thread-safe. */
public final class ClusterDecoder {
    private static final int MAX_LIST_DEPTH = 8;
    private final Map<String, List<KindDecoder<?>>> byKind = new LinkedHashMap<>();

    public ClusterDecoder(List<KindDecoder<?>> kinds) {
        for (KindDecoder<?> kind : kinds) byKind.computeIfAbsent(kind.kind(), k -> new ArrayList<>()).add(kind);
    }

    /** A decoder of every kind that Patchbay knows. */
    public static ClusterDecoder standard() {
        return new ClusterDecoder(Kinds.all());
    }

    /** The kinds it knows, sorted. */
    public List<String> kinds() {
        return byKind.keySet().stream().sorted(Comparator.naturalOrder()).toList();
    }

    /** The objects of a file; what is wrong goes to {@code problems}, and then the result must not be used. */
    public List<Decoded> decode(String file, byte[] utf8, Problems problems) {
        return decode(file, utf8, problems, d -> d);
    }

    /**
     * As {@link #decode(String, byte[], Problems)}, keeping of each object only what {@code keep} makes of it: a long file's trees need many times
     * the room of its text. For a JSON file in order {@link Decoded#tree()} has no places but its line.
     */
    public <T> List<T> decode(String file, byte[] utf8, Problems problems, Function<? super Decoded, ? extends T> keep) {
        return Trees.each(file, utf8, problems, new Trees.Reader<T>() {
            @Override
            public void document(Tree document, List<T> into) {
                ClusterDecoder.this.decode(document, d -> into.add(keep.apply(d)), 0);
            }

            @Override
            public boolean takesItems() {
                return true;
            }

            @Override
            public void item(Tree item, List<T> into) {
                ClusterDecoder.this.decode(item, d -> into.add(keep.apply(d)), 1);
            }
        });
    }

    /** As {@link #decode(String, byte[], Problems)}; refuses the whole file with all that is wrong with it. */
    public List<Decoded> decode(String file, byte[] utf8) throws DecodeException {
        Problems problems = new Problems();
        List<Decoded> objects = decode(file, utf8, problems);
        problems.throwIfAny();
        return objects;
    }

    private void decode(Tree tree, Consumer<Decoded> objects, int depth) {
        Fields fields = tree.fields();
        Tree versionTree = fields.required("apiVersion");
        Tree kindTree = fields.required("kind");
        String version = versionTree.string();
        String kind = kindTree.string();
        if (!versionTree.isString() || !kindTree.isString()) return;
        if (kind.equals("List")) {
            if (!version.equals("v1")) versionTree.problem("List has apiVersion v1");
            if (depth >= MAX_LIST_DEPTH) {
                tree.problem("lists nested too deeply");
                return;
            }
            fields.ignore("metadata");
            for (Tree item : fields.list("items")) decode(item, objects, depth + 1);
            fields.end();
            return;
        }
        List<KindDecoder<?>> candidates = byKind.get(kind);
        if (candidates == null) {
            String near = Fields.nearest(kind, byKind.keySet());
            kindTree.problem("\"" + kind + "\" is not a kind that Patchbay knows" + (near == null ? "" : "; did you mean " + near + "?"));
            return;
        }
        KindDecoder<?> decoder = candidates.stream().filter(d -> d.apiVersions().contains(version)).findFirst().orElse(null);
        if (decoder == null) {
            TreeSet<String> versions = new TreeSet<>();
            candidates.forEach(d -> versions.addAll(d.apiVersions()));
            versionTree.problem("\"" + version + "\" is not an apiVersion of " + kind + ", which is " + String.join(" or ", versions));
            return;
        }
        Meta meta = Meta.read(fields, decoder.namespaced());
        Object row = decoder.decode(meta, fields);
        fields.end();
        objects.accept(new Decoded(decoder.apiVersions().get(decoder.apiVersions().indexOf(version)), decoder.kind(), meta, row, tree));
    }
}
