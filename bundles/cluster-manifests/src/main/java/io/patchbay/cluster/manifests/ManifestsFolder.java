package io.patchbay.cluster.manifests;

import io.patchbay.api.cluster.CiliumIdentity;
import io.patchbay.api.cluster.IdentityClaims;
import io.patchbay.api.cluster.Node;
import io.patchbay.api.cluster.ObjectKey;
import io.patchbay.api.cluster.Service;
import io.patchbay.api.cluster.policy.PolicyObject;
import io.patchbay.api.labels.Label;
import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import io.patchbay.cluster.decode.ClusterDecoder;
import io.patchbay.cluster.decode.DecodeException;
import io.patchbay.cluster.decode.Decoded;
import io.patchbay.cluster.decode.Problem;
import io.patchbay.cluster.decode.Problems;
import io.patchbay.cluster.decode.Texts;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;

/**
 * A cluster in a folder, shared by any number of processes. The layout is described in {@code docs/features/cluster-manifests.md}. Everything
 * written appears whole (written aside, synced, renamed); whoever decides something for the cluster (addresses, CIDRs, manifests) holds a file
 * lock while doing so. Thread-safe.
 */
@SuppressWarnings("try")
public final class ManifestsFolder {
    static final ClusterDecoder DECODER = ClusterDecoder.standard();
    private static final String SERVICES = "objects/services";

    private final Path root;
    private final Path manifests;
    private final Path podStatuses;
    private final Path policyStatuses;
    private final Path nodes;
    private final Path identities;

    private final FileCache<List<Manifest>> manifestFiles;
    private final FileCache<PodStatus> statusFiles;
    private final FileCache<NodeRecord> nodeFiles;
    private final ServiceRecords serviceFiles;
    private final FileCache<CiliumIdentity> identityFiles;
    private final FileCache<ClusterSettings> settingsFile;
    private final ManifestIndex index = new ManifestIndex();
    private final ClusterRows rows = new ClusterRows(index);
    private final Map<String, PodStatus> goodStatuses = new HashMap<>();
    private Map<ObjectKey, PodStatus> statuses = Map.of();
    private long statusesVersion = -1;
    private ClusterSettings settings = ClusterSettings.DEFAULT;
    /** Services without something that the cluster gives, and records of services that are gone. */
    private final SortedSet<ObjectKey> unsettled = new TreeSet<>();
    private boolean wereGood;
    private State last;
    private List<Long> lastSeen = List.of();
    private List<Problem> lastDecisions = List.of();

    /** A text to apply, check or delete, with the name that problems are reported under. */
    public record Input(String file, byte[] text) {
    }

    /** What became of one object: {@code verb} is created, configured, unchanged or deleted. */
    public record Outcome(String kind, String namespace, String name, String verb) {
        /** As kubectl says it: {@code service/web created}. */
        @Override
        public String toString() {
            return kind.toLowerCase(java.util.Locale.ROOT) + "/" + name + (namespace.isEmpty() || namespace.equals("default") ? "" : " in " + namespace)
                    + " " + verb;
        }
    }

    /**
     * @param objects  the cluster; empty if the manifests have not been good since this object was made
     * @param problems what is wrong with the folder now; if it concerns manifests, {@code objects} is made of the last good ones
     */
    public record State(Optional<ClusterObjects> objects, List<Problem> problems) {
    }

    /** @param root may not exist yet: see {@link #create} */
    public ManifestsFolder(Path root) {
        this.root = root.toAbsolutePath().normalize();
        manifests = this.root.resolve("manifests");
        podStatuses = this.root.resolve("status/pods");
        policyStatuses = this.root.resolve("status/policies");
        nodes = this.root.resolve("objects/nodes");
        identities = this.root.resolve("objects/ciliumidentities");
        manifestFiles = new FileCache<>(manifests, "manifests", n -> n.endsWith(".yaml") || n.endsWith(".yml") || n.endsWith(".json"),
                (file, text, problems) -> DECODER.decode(file, text, problems, Manifest::of));
        statusFiles = new FileCache<>(podStatuses, "status/pods", ManifestsFolder::isJson, PodStatus::read);
        nodeFiles = new FileCache<>(nodes, "objects/nodes", ManifestsFolder::isJson, NodeRecord::read);
        serviceFiles = new ServiceRecords(this.root.resolve(SERVICES), SERVICES);
        identityFiles = new FileCache<>(identities, "objects/ciliumidentities", ManifestsFolder::isJson, ManifestsFolder::readIdentity);
        settingsFile = new FileCache<>(this.root, "", n -> n.equals("cluster.json"), ClusterSettings::read);
    }

    private static boolean isJson(String name) {
        return name.endsWith(".json");
    }

    private static CiliumIdentity readIdentity(String file, byte[] text, Problems problems) {
        List<Decoded> decoded = DECODER.decode(file, text, problems);
        return decoded.size() == 1 && decoded.get(0).row() instanceof CiliumIdentity identity ? identity : null;
    }

    public Path root() {
        return root;
    }

    /** Makes the folder and its sub-folders. */
    public void create() throws IOException {
        for (Path directory : directories()) Files.createDirectories(directory);
    }

    /** What a watcher watches. */
    List<Path> directories() {
        return List.of(root, manifests, podStatuses, nodes, root.resolve(SERVICES), identities);
    }

    // ---- reading

    /**
     * Reads what changed since the last time and works out the cluster; gives nodes and services what they lack, if it is the first to see it.
     * Costs what is in the files that changed, and a look at every file's time.
     *
     * @throws IOException if the folder can't be read or written
     */
    public synchronized State refresh() throws IOException {
        Problems manifestProblems = new Problems();
        SortedMap<String, List<Manifest>> files = manifests(manifestProblems);
        Problems recordProblems = new Problems();
        Records records = records(recordProblems);
        Problems statusProblems = new Problems();
        readStatuses(statusProblems);
        List<Long> seen = versions();
        if (last != null && seen.equals(lastSeen)) return last;

        boolean decided = last != null && seen.subList(1, seen.size()).equals(lastSeen.subList(1, lastSeen.size()));
        if (decided) {
            // only pods' statuses changed: nothing to validate, nothing to give
            lastDecisions.forEach(statusProblems::add);
        } else {
            Problems problems = new Problems();
            manifestProblems.list().forEach(problems::add);
            if (!problems.isEmpty() || !accept(files, records, problems)) {
                // what was given goes on, with the last good manifests
                if (wereGood) accept(index.files(), records, new Problems());
            }
            recordProblems.list().forEach(problems::add);
            // with a damaged record nothing is given to anybody: it might be what the record says is taken
            if (wereGood && recordProblems.isEmpty() && lacking(records)) {
                try (FolderFiles.Lock ignored = lock()) {
                    records = records(recordProblems);
                    accept(index.files(), records, recordProblems);
                    if (recordProblems.isEmpty()) {
                        allocate(records);
                        records = records(recordProblems);
                        accept(index.files(), records, recordProblems);
                    }
                }
                recordProblems.list().forEach(problems::add);
                if (recordProblems.isEmpty()) noteExhaustion(records, problems);
            }
            lastDecisions = problems.list();
            problems.list().forEach(statusProblems::add);
        }
        lastSeen = versions();
        rows.records(records.nodes, records.identities, statuses);
        last = new State(wereGood ? Optional.of(rows.compose()) : Optional.empty(), statusProblems.list());
        return last;
    }

    /** The statuses' version first. */
    private List<Long> versions() {
        return List.of(statusFiles.version(), manifestFiles.version(), nodeFiles.version(), serviceFiles.version(), identityFiles.version(),
                settingsFile.version());
    }

    private SortedMap<String, List<Manifest>> manifests(Problems problems) throws IOException {
        SortedMap<String, List<Manifest>> files = new TreeMap<>();
        manifestFiles.read().forEach((name, entry) -> {
            entry.problems().forEach(problems::add);
            if (entry.value() != null) files.put(name, entry.value());
        });
        return files;
    }

    private void readStatuses(Problems problems) throws IOException {
        SortedMap<String, FileCache.Entry<PodStatus>> files = statusFiles.read();
        files.values().forEach(entry -> entry.problems().forEach(problems::add));
        if (statusFiles.version() == statusesVersion) return;
        statusesVersion = statusFiles.version();
        goodStatuses.keySet().retainAll(files.keySet());
        files.forEach((name, entry) -> {
            if (entry.value() != null) goodStatuses.put(name, entry.value());
        });
        Map<ObjectKey, PodStatus> now = new HashMap<>();
        goodStatuses.values().forEach(s -> now.put(s.pod().key(), s));
        statuses = now;
    }

    /** @param services files of records that are others now */
    private record Records(ClusterSettings settings, SortedMap<String, NodeRecord> nodes, Map<String, List<ServiceRecord>> services,
                           SortedMap<Long, CiliumIdentity> identities) {
    }

    private ClusterSettings settings(Problems problems) throws IOException {
        FileCache.Entry<ClusterSettings> found = settingsFile.read().get("cluster.json");
        if (found != null) found.problems().forEach(problems::add);
        return found == null || found.value() == null ? ClusterSettings.DEFAULT : found.value();
    }

    private Records records(Problems problems) throws IOException {
        ClusterSettings now = settings(problems);
        SortedMap<String, NodeRecord> nodeRecords = new TreeMap<>();
        SortedMap<Long, CiliumIdentity> ids = new TreeMap<>();
        values(nodeFiles, problems).forEach(r -> nodeRecords.put(r.name(), r));
        Map<String, List<ServiceRecord>> services = serviceFiles.read(problems);
        values(identityFiles, problems).forEach(i -> ids.put(i.id(), i));
        return new Records(now, nodeRecords, services, ids);
    }

    private static <T> List<T> values(FileCache<T> cache, Problems problems) throws IOException {
        List<T> values = new ArrayList<>();
        cache.read().values().forEach(entry -> {
            entry.problems().forEach(problems::add);
            if (entry.value() != null) values.add(entry.value());
        });
        return values;
    }

    /** Puts manifests and records in force; false, and nothing has happened, if anything is wrong with them. */
    private boolean accept(SortedMap<String, List<Manifest>> files, Records records, Problems problems) {
        int before = problems.size();
        ManifestIndex.Changed changed = index.change(files, serviceFiles.difference(records.services), true, records.settings, problems);
        if (problems.size() > before) return false;
        serviceFiles.accept(records.services);
        rows.change(changed);
        wereGood = true;
        Set<ObjectKey> touched = new HashSet<>(changed.records().keySet());
        for (Manifest m : changed.before().values()) if (m.row() instanceof Service s) touched.add(s.key());
        for (Manifest m : changed.after().values()) if (m.row() instanceof Service s) touched.add(s.key());
        if (!records.settings.equals(settings)) {
            settings = records.settings;
            for (Manifest m : index.all()) if (m.row() instanceof Service s) touched.add(s.key());
        }
        Allocator allocator = new Allocator(settings);
        for (ObjectKey key : touched) {
            Service service = index.service(key);
            boolean settled = service == null ? !index.records().containsKey(key) : !allocator.lacks(service, index.families(key), record(key));
            if (settled) unsettled.remove(key);
            else unsettled.add(key);
        }
        return true;
    }

    private ServiceRecord record(ObjectKey key) {
        ServiceRecord record = index.records().get(key);
        return record == null ? ServiceRecord.empty(key) : record;
    }

    // ---- what the cluster decides

    private Set<String> nodeNames(Records records) {
        Set<String> names = new TreeSet<>(rows.manifestNodes().keySet());
        records.nodes.values().stream().filter(NodeRecord::registered).forEach(r -> names.add(r.name()));
        return names;
    }

    private boolean lacking(Records records) {
        if (!unsettled.isEmpty()) return true;
        Allocator allocator = new Allocator(settings);
        for (String name : nodeNames(records)) {
            NodeRecord record = records.nodes.getOrDefault(name, NodeRecord.empty(name));
            if (allocator.node(record, rows.manifestNodes().get(name), new HashSet<>()).isPresent()) return true;
        }
        return false;
    }

    private void allocate(Records records) throws IOException {
        Allocator allocator = new Allocator(settings);
        Map<String, Node> manifestNodes = rows.manifestNodes();
        Set<Prefix> takenCidrs = new HashSet<>();
        records.nodes.values().forEach(r -> takenCidrs.addAll(r.podCidrs()));
        manifestNodes.values().forEach(n -> takenCidrs.addAll(n.podCidrs()));
        for (String name : nodeNames(records)) {
            NodeRecord record = records.nodes.getOrDefault(name, NodeRecord.empty(name));
            Optional<NodeRecord> changed = allocator.node(record, manifestNodes.get(name), takenCidrs);
            if (changed.isPresent()) FolderFiles.write(nodes.resolve(name + ".json"), Texts.json(changed.get().toMap()));
        }

        Map<ObjectKey, ServiceRecord> given = new LinkedHashMap<>();
        Set<IpAddress> ips = new HashSet<>();
        Set<Integer> ports = new HashSet<>();
        for (ObjectKey key : unsettled) {
            Service service = index.service(key);
            if (service == null) {
                given.put(key, null);
                continue;
            }
            ServiceRecord changed = allocator.service(service, index.families(key), record(key), ip -> ips.contains(ip) || index.claims().isTaken(ip),
                    port -> ports.contains(port) || index.claims().isTaken(port));
            if (changed.equals(record(key))) continue;
            ips.addAll(changed.clusterIps());
            ports.addAll(changed.nodePorts().values());
            ports.add(changed.healthCheckNodePort());
            given.put(key, changed);
        }
        if (!given.isEmpty()) serviceFiles.write(given);
    }

    private void noteExhaustion(Records records, Problems problems) {
        if (!lacking(records)) return;
        problems.add(new Problem("cluster.json", 0, 0, 0, "", "a range is used up: there are nodes without a pod CIDR or services without an "
                + "address or node port; make podCIDRs " + settings.podCidrs() + ", serviceCIDRs " + settings.serviceCidrs()
                + " or the node port range larger"));
    }

    // ---- what users write

    /** Decodes the inputs and checks them together with what is there; changes nothing. */
    public List<Outcome> check(List<Input> inputs) throws IOException, DecodeException {
        List<ManifestEdit.Fresh> objects = ManifestEdit.decode(inputs);
        synchronized (this) {
            return planned(objects).outcomes();
        }
    }

    /**
     * As {@link #check}, then writes: all or, if anything is wrong, nothing. An object keeps the file it is in; a new one gets its own, or shares
     * one with others when many come at once.
     */
    public List<Outcome> apply(List<Input> inputs) throws IOException, DecodeException {
        List<ManifestEdit.Fresh> objects = ManifestEdit.decode(inputs);
        synchronized (this) {
            try (FolderFiles.Lock ignored = lock()) {
                ManifestEdit edit = planned(objects);
                edit.write();
                return edit.outcomes();
            }
        }
    }

    private ManifestEdit planned(List<ManifestEdit.Fresh> objects) throws IOException, DecodeException {
        ManifestEdit edit = new ManifestEdit(manifests, currentFiles());
        edit.put(objects);
        validate(edit.files());
        return edit;
    }

    /**
     * Removes the objects that the inputs name.
     *
     * @throws NoSuchFileException naming the objects that aren't there; the others have been deleted
     */
    public List<Outcome> delete(List<Input> inputs) throws IOException, DecodeException {
        List<ManifestEdit.Fresh> objects = ManifestEdit.decode(inputs);
        synchronized (this) {
            try (FolderFiles.Lock ignored = lock()) {
                ManifestEdit edit = new ManifestEdit(manifests, currentFiles());
                List<String> missing = edit.remove(objects);
                validate(edit.files());
                edit.write();
                for (ManifestEdit.Fresh object : objects) {
                    if (object.manifest().row() instanceof Node) Files.deleteIfExists(nodes.resolve(object.manifest().meta().name() + ".json"));
                }
                if (!missing.isEmpty()) throw new NoSuchFileException(String.join(", ", missing) + ": not found");
                return edit.outcomes();
            }
        }
    }

    private SortedMap<String, List<Manifest>> currentFiles() throws IOException, DecodeException {
        Problems problems = new Problems();
        SortedMap<String, List<Manifest>> files = manifests(problems);
        problems.throwIfAny();
        return files;
    }

    private void validate(SortedMap<String, List<Manifest>> files) throws IOException, DecodeException {
        Problems problems = new Problems();
        index.change(files, serviceFiles.difference(serviceFiles.read(problems)), false, settings(problems), problems);
        problems.throwIfAny();
    }

    /** The manifests in force of one kind, by name. */
    public synchronized List<Manifest> manifests(String kind) {
        return index.all().stream().filter(m -> m.kind().equals(kind)).sorted(java.util.Comparator.comparing(Manifest::key)).toList();
    }

    /** Reads the text of manifests in force, each file once, for as long as this object is kept. */
    public final class ManifestTexts {
        private final Map<String, Map<String, Object>> files = new HashMap<>();

        /** The object as it was written, as plain values; empty if there is no manifest of it, or not any more. */
        public Optional<Object> get(String key) {
            String file;
            synchronized (ManifestsFolder.this) {
                Manifest m = index.get(key);
                if (m == null) return Optional.empty();
                file = m.file().substring(m.file().indexOf('/') + 1);
            }
            return Optional.ofNullable(files.computeIfAbsent(file, f -> {
                try {
                    return ManifestEdit.contents(manifests, f);
                } catch (IOException e) {
                    return Map.of();
                }
            }).get(key));
        }
    }

    // ---- what nodes write

    /** Publishes a pod's status; for the kubelet of its node. */
    public void writePodStatus(PodStatus status) throws IOException {
        FolderFiles.write(statusFile(status.pod().key()), Texts.json(status.toMap()));
    }

    /** The pod is gone from its node; for the kubelet. */
    public void deletePodStatus(ObjectKey pod) throws IOException {
        Files.deleteIfExists(statusFile(pod));
    }

    private Path statusFile(ObjectKey pod) {
        return podStatuses.resolve(pod.namespace() + "_" + pod.name() + ".json");
    }

    /** Publishes which policies a node can't enforce, and why; for its agent. */
    public void writePolicyStatus(String node, Map<PolicyObject.Key, String> notInForce) throws IOException {
        Path file = policyStatuses.resolve(node + ".json");
        if (notInForce.isEmpty() && !Files.exists(file)) return;
        FolderFiles.write(file, Texts.json(PolicyStatus.of(node, notInForce).toMap()));
    }

    /** What nodes say of policies that they can't enforce: why, by node, by {@link PolicyStatus#key}. */
    public Map<String, SortedMap<String, String>> policyStatuses() throws IOException {
        Map<String, SortedMap<String, String>> all = new HashMap<>();
        if (!Files.isDirectory(policyStatuses)) return all;
        List<Path> files;
        try (Stream<Path> list = Files.list(policyStatuses)) {
            files = list.filter(f -> isJson(f.getFileName().toString()) && !f.getFileName().toString().startsWith(".")).sorted().toList();
        }
        for (Path file : files) {
            Problems problems = new Problems();
            PolicyStatus status = PolicyStatus.read("status/policies/" + file.getFileName(), Files.readAllBytes(file), problems);
            if (!problems.isEmpty() || status == null) throw new IOException(problems.isEmpty() ? file + " is empty" : problems.list().get(0).toString());
            status.notInForce().forEach((key, why) -> all.computeIfAbsent(key, k -> new TreeMap<>()).put(status.node(), why));
        }
        return all;
    }

    /** The node exists, and has these addresses (empty: as its manifest says). */
    public void registerNode(String name, List<IpAddress> internalIps) throws IOException {
        changeNode(name, r -> new NodeRecord(name, true, internalIps.isEmpty() ? r.internalIps() : internalIps, r.podCidrs(), r.annotations()));
    }

    /** Adds annotations to a node, replacing those of the same names. */
    public void annotateNode(String name, Map<String, String> annotations) throws IOException {
        changeNode(name, r -> {
            Map<String, String> all = new LinkedHashMap<>(r.annotations());
            all.putAll(annotations);
            return new NodeRecord(name, r.registered(), r.internalIps(), r.podCidrs(), all);
        });
    }

    private synchronized void changeNode(String name, java.util.function.UnaryOperator<NodeRecord> change) throws IOException {
        create();
        try (FolderFiles.Lock ignored = lock()) {
            Path path = nodes.resolve(name + ".json");
            NodeRecord old = NodeRecord.empty(name);
            if (Files.exists(path)) {
                Problems problems = new Problems();
                NodeRecord read = NodeRecord.read("objects/nodes/" + name + ".json", Files.readAllBytes(path), problems);
                // a damaged record must not be replaced: its pod CIDR would be given away
                if (!problems.isEmpty() || read == null) throw new IOException(problems.isEmpty() ? path + " is empty" : problems.list().get(0).toString());
                old = read;
            }
            NodeRecord changed = change.apply(old);
            if (!changed.equals(old)) FolderFiles.write(path, Texts.json(changed.toMap()));
        }
    }

    /** Claims an identity number for the cluster: the claim's file appears with its whole content or not at all, and only for one claimant. */
    public IdentityClaims.Result claimIdentity(long number, LabelSet labels) {
        Path path = identities.resolve(number + ".json");
        Map<String, Object> security = new LinkedHashMap<>();
        for (Label label : labels) security.put(label.source() + ":" + label.key(), label.value());
        Map<String, Object> object = new LinkedHashMap<>();
        object.put("apiVersion", "cilium.io/v2");
        object.put("kind", "CiliumIdentity");
        object.put("metadata", Map.of("name", Long.toString(number)));
        object.put("security-labels", security);
        try {
            Files.createDirectories(identities);
            Path temporary = FolderFiles.writeAside(path, Texts.json(object));
            try {
                Files.createLink(path, temporary);
                FolderFiles.syncDirectory(identities);
                return new IdentityClaims.Claimed();
            } catch (FileAlreadyExistsException e) {
                Problems problems = new Problems();
                CiliumIdentity other = readIdentity(path.getFileName().toString(), Files.readAllBytes(path), problems);
                if (!problems.isEmpty() || other == null) {
                    return new IdentityClaims.Unavailable(path + " is damaged: " + (problems.isEmpty() ? "no CiliumIdentity" : problems.list().get(0)));
                }
                return other.labels().equals(labels) ? new IdentityClaims.Claimed() : new IdentityClaims.TakenBy(other.labels());
            } finally {
                Files.deleteIfExists(temporary);
            }
        } catch (IOException e) {
            return new IdentityClaims.Unavailable("can't write " + path + ": " + e);
        }
    }

    private FolderFiles.Lock lock() throws IOException {
        return new FolderFiles.Lock(root.resolve("objects").resolve(".lock"));
    }
}
