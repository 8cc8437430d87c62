package io.patchbay.cluster.manifests;

import io.patchbay.api.cluster.Namespace;
import io.patchbay.api.cluster.ObjectKey;
import io.patchbay.api.cluster.Service;
import io.patchbay.cluster.decode.Problem;
import io.patchbay.cluster.decode.Problems;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * The manifests in force, and what an API server would refuse when looking at the objects together. A change of files costs what is in those
 * files; one that is refused leaves everything as it was. Not thread-safe.
 */
final class ManifestIndex {
    static final Set<String> IMPLICIT_NAMESPACES = Set.of("default", "kube-system", "kube-public", "kube-node-lease");

    private final Map<String, Manifest> byKey = new HashMap<>();
    private final Set<String> namespaces = new HashSet<>(IMPLICIT_NAMESPACES);
    private final Map<ObjectKey, ServiceRecord> records = new HashMap<>();
    private final Claims claims = new Claims();
    private SortedMap<String, List<Manifest>> files = new TreeMap<>();

    /** Objects whose row is another one now, by key: before and after, null for none. */
    record Changed(Map<String, Manifest> before, Map<String, Manifest> after, Map<ObjectKey, ServiceRecord> records) {
    }

    Collection<Manifest> all() {
        return byKey.values();
    }

    Manifest get(String key) {
        return byKey.get(key);
    }

    Service service(ObjectKey key) {
        Manifest m = byKey.get(serviceKey(key));
        return m == null ? null : (Service) m.row();
    }

    /** What {@code ipFamilies} of a service in force says. */
    List<Boolean> families(ObjectKey service) {
        Manifest m = byKey.get(serviceKey(service));
        return m == null ? List.of() : m.families();
    }

    static String serviceKey(ObjectKey key) {
        return "Service " + key;
    }

    Map<ObjectKey, ServiceRecord> records() {
        return records;
    }

    Claims claims() {
        return claims;
    }

    /** The files in force. */
    SortedMap<String, List<Manifest>> files() {
        return files;
    }

    /**
     * Puts the files and records in force, unless anything is wrong.
     *
     * @param now            all files
     * @param changedRecords those that are others now; null: gone
     * @param keep           false: only to see whether it would do
     * @param settings       what there is to give to services
     * @return what changed; nothing if there are problems
     */
    Changed change(SortedMap<String, List<Manifest>> now, Map<ObjectKey, ServiceRecord> changedRecords, boolean keep, ClusterSettings settings, Problems problems) {
        Map<String, Manifest> removed = new LinkedHashMap<>();
        List<Manifest> added = new ArrayList<>();
        files.forEach((name, list) -> {
            if (now.get(name) != list) list.forEach(m -> removed.put(m.key(), m));
        });
        now.forEach((name, list) -> {
            if (files.get(name) != list) added.addAll(list);
        });
        int wrong = problems.size();
        Map<String, Manifest> after = new LinkedHashMap<>();
        for (Manifest m : added) {
            Manifest other = after.putIfAbsent(m.key(), m);
            if (other == null && !removed.containsKey(m.key())) other = byKey.get(m.key());
            for (boolean v4 : m.families()) {
                if (settings.serviceCidrs().stream().anyMatch(r -> r.address().isV4() == v4)) continue;
                problem(m, "spec.ipFamilies", (v4 ? "IPv4" : "IPv6") + " is no family of this cluster's services " + settings.serviceCidrs()
                        + ": see serviceCIDRs in cluster.json", problems);
            }
            if (other != null) problem(m, "metadata.name", m.key() + " is also in " + other.place(), problems);
        }
        Set<String> spaces = namespaces(removed, added, problems);

        Deque<Runnable> undo = new ArrayDeque<>();
        Changed changed = new Changed(new LinkedHashMap<>(), new LinkedHashMap<>(), changedRecords);
        Set<ObjectKey> services = new TreeSet<>(changedRecords.keySet());
        removed.forEach((key, m) -> {
            Manifest next = after.get(key);
            if (next != null && next.saysTheSame(m)) return;
            changed.before.put(key, m);
            if (m.row() instanceof Service s) services.add(s.key());
        });
        // in the order of the files, so that of two who want the same address the second is told
        Set<ObjectKey> inOrder = new LinkedHashSet<>();
        after.forEach((key, m) -> {
            Manifest before = removed.get(key);
            if (before != null && before.saysTheSame(m)) return;
            changed.after.put(key, m);
            if (m.row() instanceof Service s) inOrder.add(s.key());
        });
        services.addAll(inOrder);
        inOrder.addAll(services);
        for (ObjectKey key : services) {
            Service before = service(key);
            ServiceRecord record = records.get(key);
            if (before == null) continue;
            claims.remove(before, record);
            undo.push(() -> claims.add(before, record, (path, what, owner) -> { }));
        }
        for (ObjectKey key : inOrder) {
            String name = serviceKey(key);
            Manifest m = after.containsKey(name) ? after.get(name) : removed.containsKey(name) ? null : byKey.get(name);
            if (m == null) continue;
            Service next = (Service) m.row();
            ServiceRecord record = changedRecords.containsKey(key) ? changedRecords.get(key) : records.get(key);
            claims.add(next, record, (path, what, owner) -> problem(m, path, what + " belongs to the service " + owner, problems));
            undo.push(() -> claims.remove(next, record));
        }
        if (problems.size() > wrong || !keep) {
            undo.forEach(Runnable::run);
            return new Changed(Map.of(), Map.of(), Map.of());
        }
        removed.keySet().forEach(byKey::remove);
        byKey.putAll(after);
        namespaces.clear();
        namespaces.addAll(spaces);
        changedRecords.forEach((key, record) -> {
            if (record == null) records.remove(key);
            else records.put(key, record);
        });
        files = now;
        return changed;
    }

    private Set<String> namespaces(Map<String, Manifest> removed, List<Manifest> added, Problems problems) {
        Set<String> after = new HashSet<>(namespaces);
        removed.values().forEach(m -> {
            if (m.row() instanceof Namespace n && !IMPLICIT_NAMESPACES.contains(n.name())) after.remove(n.name());
        });
        added.forEach(m -> {
            if (m.row() instanceof Namespace n) after.add(n.name());
        });
        for (Manifest m : added) checkNamespace(m, after, problems);
        if (!after.containsAll(namespaces)) {
            for (Manifest m : byKey.values()) if (!removed.containsKey(m.key())) checkNamespace(m, after, problems);
        }
        return after;
    }

    private static void checkNamespace(Manifest m, Set<String> namespaces, Problems problems) {
        String namespace = m.meta().namespace();
        if (!namespace.isEmpty() && !namespaces.contains(namespace)) {
            problem(m, "metadata.namespace", "there is no namespace \"" + namespace + "\"", problems);
        }
    }

    static void problem(Manifest m, String path, String message, Problems problems) {
        problems.add(new Problem(m.file(), m.document(), m.line(), 1, path, message));
    }
}
