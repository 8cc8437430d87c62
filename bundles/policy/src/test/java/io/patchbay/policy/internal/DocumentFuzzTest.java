package io.patchbay.policy.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.cluster.policy.PolicyObject;
import io.patchbay.cluster.decode.ClusterDecoder;
import io.patchbay.cluster.decode.Decoded;
import io.patchbay.cluster.decode.Problem;
import io.patchbay.cluster.decode.Problems;
import io.patchbay.cluster.decode.policy.PolicyDecoders;
import io.patchbay.policy.internal.evaluator.Cluster;
import io.patchbay.policy.internal.evaluator.Connection;
import io.patchbay.policy.internal.evaluator.Evaluator;
import io.patchbay.policy.internal.model.PolicyOptions;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Documents of the vectors with something done to them that no author means: each is refused whole, with its place, or means what it meant before, by the evaluator's
 * answers. {@code -Dpatchbay.fuzz.documents=N} for longer runs, {@code -Dpatchbay.fuzz.seed=N} to repeat one. The time limit is for a hang.
 */
@Timeout(300)
class DocumentFuzzTest {
    private static final long SEED = Long.getLong("patchbay.fuzz.seed", System.nanoTime());
    private static final int DOCUMENTS = Integer.getInteger("patchbay.fuzz.documents", 6000);
    private static final ClusterDecoder DECODER = new ClusterDecoder(PolicyDecoders.all());
    /** Maps whose keys are the author's own, and what isn't read. */
    private static final Set<String> FREE = Set.of("matchLabels", "labels", "annotations", "status");
    private final Random random = new Random(SEED);

    @Test
    void isRefusedWholeOrMeansTheSame() throws Exception {
        System.out.println("DocumentFuzzTest: seed " + SEED + ", " + DOCUMENTS + " documents");
        List<Map<String, Object>> documents = VectorTest.documents();
        Cluster cluster = VectorTest.world();
        List<Connection> connections = VectorTest.connections();
        Map<Integer, List<Boolean>> meanings = new LinkedHashMap<>();
        int refused = 0;
        int same = 0;
        for (int i = 0; i < DOCUMENTS; i++) {
            int which = random.nextInt(documents.size());
            Map<String, Object> document = documents.get(which);
            Object copy = copy(document);
            String what = mutate(copy);
            if (what == null) continue;
            String text = VectorTest.json(copy);
            Problems problems = new Problems();
            List<Decoded> decoded = decode(text, problems);
            if (!problems.isEmpty()) {
                Problem p = problems.list().get(0);
                assertTrue(p.file().equals("fuzz") && p.document() == 1 && p.line() == 1 && p.column() > 0, () -> p + "\n" + text);
                assertFalse(p.message().isBlank(), text);
                refused++;
                continue;
            }
            List<Boolean> before = meanings.computeIfAbsent(which, n -> meaning(decode(VectorTest.json(document), new Problems()), cluster, connections));
            assertEquals(before, meaning(decoded, cluster, connections), () -> "seed " + SEED + ": " + what + "\nwas " + VectorTest.json(document) + "\nis  " + text);
            same++;
        }
        System.out.println("DocumentFuzzTest: " + refused + " refused, " + same + " mean the same");
        assertTrue(refused > DOCUMENTS / 3, refused + " refused");
    }

    /** Text that is damaged rather than wrong: it is read or refused, and nothing else happens. */
    @Test
    void damagedTextIsReadOrRefused() throws Exception {
        List<Map<String, Object>> documents = VectorTest.documents();
        int refused = 0;
        for (int i = 0; i < DOCUMENTS; i++) {
            String good = VectorTest.json(documents.get(random.nextInt(documents.size())));
            byte[] text = (random.nextBoolean() ? good : yaml(good)).getBytes(StandardCharsets.UTF_8);
            for (int n = 1 + random.nextInt(3); n > 0; n--) text = damage(text);
            Problems problems = new Problems();
            DECODER.decode("fuzz", text, problems);
            if (!problems.isEmpty()) refused++;
            for (Problem p : problems.list()) assertEquals("fuzz", p.file());
        }
        assertTrue(refused > DOCUMENTS / 4, refused + " refused");
    }

    private static List<Decoded> decode(String text, Problems problems) {
        return DECODER.decode("fuzz", text.getBytes(StandardCharsets.UTF_8), problems);
    }

    private static List<Boolean> meaning(List<Decoded> decoded, Cluster cluster, List<Connection> connections) {
        List<PolicyObject> policies = decoded.stream().map(d -> d.row() instanceof PolicyObject p ? p : null).filter(p -> p != null).toList();
        Evaluator evaluator = new Evaluator(PolicyOptions.DEFAULTS.withSctp(true), policies, List.of(), cluster);
        return connections.stream().map(c -> evaluator.evaluate(c).reason() == 0).toList();
    }

    private static Object copy(Object o) {
        if (o instanceof Map<?, ?> m) {
            Map<String, Object> c = new LinkedHashMap<>();
            m.forEach((k, v) -> c.put((String) k, copy(v)));
            return c;
        }
        if (o instanceof List<?> l) return new ArrayList<>(l.stream().map(DocumentFuzzTest::copy).toList());
        return o;
    }

    // ---- what no author means --------------------------------------------------------------------------------------

    private record Place(Map<String, Object> map, List<Object> list, Object key, String path, boolean free) {
        Object get() {
            return map != null ? map.get((String) key) : list.get((int) key);
        }

        void set(Object v) {
            if (map != null) map.put((String) key, v);
            else list.set((int) key, v);
        }
    }

    @SuppressWarnings("unchecked")
    private static void places(Object o, String path, boolean free, List<Place> out, List<Map<String, Object>> objects) {
        if (o instanceof Map<?, ?> m) {
            Map<String, Object> map = (Map<String, Object>) m;
            if (!free) objects.add(map);
            for (String k : map.keySet()) {
                out.add(new Place(map, null, k, path + "." + k, free));
                places(map.get(k), path + "." + k, free || FREE.contains(k), out, objects);
            }
        } else if (o instanceof List<?> l) {
            for (int i = 0; i < l.size(); i++) {
                out.add(new Place(null, (List<Object>) l, i, path + "[]", free));
                places(l.get(i), path + "[]", free, out, objects);
            }
        }
    }

    /** @return what was done, or null when this document has no place for it */
    private String mutate(Object document) {
        List<Place> places = new ArrayList<>();
        List<Map<String, Object>> objects = new ArrayList<>();
        places(document, "", false, places, objects);
        Place p = places.get(random.nextInt(places.size()));
        Map<String, Object> object = objects.get(random.nextInt(objects.size()));
        Object v = p.get();
        switch (random.nextInt(8)) {
            case 0: {
                String field = List.of("unknown", "fromEndpoint", "toPort", "podSelektor", "matchlabels", "namespaceselector", "Ports", "ipblock", "x").get(random.nextInt(9));
                object.put(field, List.of(Map.of(), List.of(), "x", 1).get(random.nextInt(4)));
                return "unknown field " + field;
            }
            case 1: {
                // a field's name misspelt: the field as it was is gone, so it must be refused
                if (p.map == null || p.free) return null;
                String name = (String) p.key;
                String wrong = switch (random.nextInt(4)) {
                    case 0 -> name + "s";
                    case 1 -> name.toUpperCase();
                    case 2 -> name.substring(0, name.length() - 1);
                    default -> " " + name;
                };
                if (wrong.isEmpty() || p.map.containsKey(wrong)) return null;
                p.map.remove(name);
                p.map.put(wrong, v);
                return p.path + " became " + wrong;
            }
            case 2: {
                if (p.path.equals(".metadata.name")) return null;
                // a port is a number or a name: another number is another meaning
                Object other = v instanceof String ? List.of(p.path.endsWith(".port") ? true : 1, true, Map.of(), List.of(), List.of(v)).get(random.nextInt(5))
                        : v instanceof Map ? List.of("x", 1, true, List.of(), List.of(v)).get(random.nextInt(5))
                        : v instanceof List ? List.of("x", 1, true, Map.of()).get(random.nextInt(4)) : List.of(Map.of(), List.of(), List.of(v), v instanceof Boolean ? 1 : true, "x-y.").get(random.nextInt(5));
                p.set(other);
                return p.path + " is another type";
            }
            case 3: {
                // values of closed sets, and numbers, spelt otherwise
                if (p.free || !(v instanceof String s) || p.path.endsWith("cidrGroupRef") || p.path.contains("metadata") || p.path.endsWith("values[]") || p.path.endsWith(".key")
                        || p.path.endsWith("serviceName") || p.path.endsWith(".namespace") || p.path.endsWith("port") && !s.matches("[0-9]+") || p.path.endsWith("description")) {
                    return null;
                }
                String wrong = switch (random.nextInt(6)) {
                    case 0 -> s + " ";
                    case 1 -> s.equals(s.toLowerCase()) ? s.toUpperCase() : s.toLowerCase();
                    case 2 -> s + s;
                    case 3 -> s.isEmpty() ? "x" : s.substring(1);
                    case 4 -> "-" + s;
                    default -> s + "\u200b";
                };
                // another address, prefix or port is another meaning that somebody may have meant
                if (wrong.matches("[0-9]{1,5}") || wrong.matches("[0-9a-fA-F.:]+(/[0-9]+)?") || wrong.equalsIgnoreCase("none")) return null;
                p.set(wrong);
                return p.path + " became \"" + wrong + "\"";
            }
            case 4: {
                // null where something stood: absent to Kubernetes, which an author who writes a field does not mean
                if (p.free || p.path.contains("metadata") || OPTIONAL_NULLS.stream().anyMatch(p.path::endsWith)) return null;
                p.set(null);
                return p.path + " is null";
            }
            case 5: {
                if (p.free || !(v instanceof List<?> l) || l.isEmpty()) return null;
                List<Object> more = new ArrayList<>(l);
                more.add(more.get(random.nextInt(more.size())));
                p.set(more);
                return p.path + " has an element twice";
            }
            case 6: {
                if (p.free || p.map == null) return null;
                Object moved = p.map.remove((String) p.key);
                p.map.put((String) p.key, moved);
                return p.path + " stands last";
            }
            default: {
                if (!(v instanceof Map<?, ?> m) || p.free) return null;
                Map<String, Object> deep = new LinkedHashMap<>();
                deep.put("x", copy(m));
                p.set(deep);
                return p.path + " is one level deeper";
            }
        }
    }

    /** Fields whose null is by definition the same as what stands there by default. */
    private static final Set<String> OPTIONAL_NULLS = Set.of(".protocol", ".description", ".except", ".values", ".matchLabels", ".matchExpressions", ".source", ".value", ".namespace");

    private byte[] damage(byte[] text) {
        byte[] t = text.clone();
        int at = random.nextInt(Math.max(1, t.length));
        switch (random.nextInt(7)) {
            case 0 -> t = Arrays.copyOf(t, at);
            case 1 -> t[Math.min(at, t.length - 1)] = (byte) random.nextInt(256);
            case 2 -> t[Math.min(at, t.length - 1)] ^= (byte) (1 << random.nextInt(8));
            case 3 -> t = join(Arrays.copyOf(t, at), "{}[]\"':,&*!|>%@`-#?\n\t\\".substring(random.nextInt(20)).getBytes(StandardCharsets.UTF_8), Arrays.copyOfRange(t, at, t.length));
            case 4 -> t = join(Arrays.copyOf(t, at), Arrays.copyOfRange(t, Math.min(t.length, at + 1 + random.nextInt(20)), t.length));
            case 5 -> t = join(t, "\n---\n".getBytes(StandardCharsets.UTF_8), Arrays.copyOfRange(t, at, t.length));
            default -> t = join(Arrays.copyOf(t, at), List.of("&a ", "*a ", "<<: ", "!!str ", "\u0000", "\ufeff", "? ").get(random.nextInt(7)).getBytes(StandardCharsets.UTF_8), Arrays.copyOfRange(t, at, t.length));
        }
        return t.length == 0 ? new byte[] {'a'} : t;
    }

    private static byte[] join(byte[]... parts) {
        int length = Arrays.stream(parts).mapToInt(p -> p.length).sum();
        byte[] all = new byte[length];
        int at = 0;
        for (byte[] p : parts) {
            System.arraycopy(p, 0, all, at, p.length);
            at += p.length;
        }
        return all;
    }

    /** The same in block style, roughly: enough of it for damage to hit indentation. */
    private static String yaml(String json) {
        return json.replace("\"apiVersion\":", "apiVersion: ").replace(",\"kind\":", "\nkind: ").replace(",\"metadata\":", "\nmetadata:\n  ").replace(",\"spec\":", "\nspec:\n  ")
                .replaceFirst("^\\{", "").replaceFirst("}$", "\n");
    }
}
