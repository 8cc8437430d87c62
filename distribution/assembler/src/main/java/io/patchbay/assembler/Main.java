package io.patchbay.assembler;

import aQute.bnd.header.Parameters;
import aQute.bnd.osgi.Processor;
import aQute.bnd.osgi.resource.CapReqBuilder;
import jakarta.json.Json;
import jakarta.json.JsonArrayBuilder;
import jakarta.json.JsonObject;
import jakarta.json.JsonObjectBuilder;
import jakarta.json.JsonWriter;
import jakarta.json.stream.JsonGenerator;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.osgi.resource.Capability;
import org.osgi.resource.Requirement;

/**
 * Resolves each {@code distribution/NAME.bndrun} against the candidates and writes {@code distribution/target/NAME}. Fails the build
 * and names what is missing when a set is inconsistent, or what has changed when it differs from {@code distribution/NAME.resolved}. Arguments: the project's root,
 * the folder of candidates, and {@code write} when those files are to be written anew.
 */
public final class Main {
    private final Path root;
    private final boolean update;
    private final List<Candidate> candidates = new ArrayList<>();
    private final List<String> problems = new ArrayList<>();
    private final Probe probe = new Probe();

    private Main(Path root, boolean update) {
        this.root = root;
        this.update = update;
    }

    public static void main(String[] args) throws Exception {
        List<String> problems = run(Path.of(args[0]), Path.of(args[1]), args.length > 2 && args[2].equals("write"));
        if (!problems.isEmpty()) {
            System.err.println("The distributions can't be assembled:");
            problems.forEach(p -> System.err.println("  " + p));
            System.exit(1);
        }
    }

    /** @return why the distributions can't be assembled; empty: they have been */
    static List<String> run(Path root, Path jars, boolean update) throws Exception {
        Main main = new Main(root, update);
        for (Path jar : sorted(jars, "*.jar")) {
            Candidate c = Candidate.read(jar);
            if (c != null) {
                main.candidates.add(c);
            }
        }
        main.checkFeatureLists();
        for (Path bndrun : sorted(main.root.resolve("distribution"), "*.bndrun")) {
            main.assemble(bndrun);
        }
        return main.problems;
    }

    /** Each feature is found by its capability, which features/NAME.bnd gives it. */
    private void checkFeatureLists() {
        for (Candidate c : candidates) {
            if (c.feature() != null && c.resource().getCapabilities("patchbay.feature").stream()
                    .noneMatch(k -> c.featureName().equals(k.getAttributes().get("patchbay.feature")))) {
                problems.add("features/" + c.featureName() + ".bnd must provide the capability patchbay.feature=" + c.featureName());
            }
        }
    }

    private void assemble(Path bndrun) throws Exception {
        String name = bndrun.getFileName().toString().replace(".bndrun", "");
        List<Requirement> wanted = new ArrayList<>();
        try (Processor processor = new Processor()) {
            processor.setProperties(bndrun.toFile());
            for (Requirement r : CapReqBuilder.getRequirementsFrom(new Parameters(processor.mergeProperties("-runrequires")))) {
                wanted.add(CapReqBuilder.unalias(r));
            }
            processor.getErrors().forEach(e -> problems.add(bndrun.getFileName() + ": " + e));
        }
        // Features that have no code yet have no jar either; those that exist must be complete.
        List<Capability> platform = probe.platform();
        Resolution all = new Resolution(candidates, platform);
        wanted.forEach(r -> all.require(r, bndrun.getFileName().toString()));
        all.missing().forEach(m -> problems.add(name + ": " + m));
        List<Candidate> set = all.chosen();
        probe.unresolved(set).forEach(m -> problems.add(name + ": " + m));
        if (problems.isEmpty()) {
            Path resolved = bndrun.resolveSibling(name + ".resolved");
            if (update) {
                Resolved.write(resolved, Resolved.lines(set));
            }
            problems.addAll(Resolved.differences(resolved, Resolved.lines(set)));
        }
        if (problems.isEmpty()) {
            write(name, set, platform);
        }
    }

    private void write(String name, List<Candidate> set, List<Capability> platform) throws IOException {
        Path out = root.resolve("distribution/target").resolve(name);
        delete(out);
        Path bundles = Files.createDirectories(out.resolve("bundles"));
        Path repository = Files.createDirectories(out.resolve("repository"));
        Path features = Files.createDirectories(out.resolve("features"));
        Set<Candidate> included = new LinkedHashSet<>(set);
        for (Candidate c : set) {
            Files.copy(c.jar(), bundles.resolve(fileName(c)));
        }
        // Started by the launcher: all that is no feature. Features are installed by lifecycle from the node's record.
        Files.write(out.resolve("bundles.list"), set.stream().filter(c -> c.feature() == null).map(c -> "bundles/" + fileName(c)).toList());
        Map<String, Candidate> byFeature = new TreeMap<>();
        candidates.stream().filter(c -> c.feature() != null).forEach(c -> byFeature.put(c.featureName(), c));
        for (Candidate feature : byFeature.values()) {
            Resolution own = new Resolution(candidates, platform);
            for (Capability c : feature.resource().getCapabilities("patchbay.feature")) {
                own.require(CapReqBuilder.createRequirementFromCapability(c).buildSyntheticRequirement(), "distribution");
            }
            if (!own.missing().isEmpty()) {
                own.missing().forEach(m -> problems.add("feature " + feature.featureName() + ": " + m));
                continue;
            }
            List<Candidate> needs = own.chosen().stream()
                    .filter(c -> c == feature || c.feature() == null && (!included.contains(c) || !coreNames().contains(c.name()))).toList();
            for (Candidate c : needs) {
                if (!included.contains(c)) {
                    Files.copy(c.jar(), repository.resolve(fileName(c)), StandardCopyOption.REPLACE_EXISTING);
                }
            }
            json(features.resolve(feature.featureName() + ".json"), "io.patchbay:" + feature.featureName() + "-feature:" + version(feature),
                    feature.feature().getString("summary", ""), needs, included,
                    feature.feature().containsKey("requires") ? feature.feature().getJsonArray("requires").toString() : "[]");
        }
        json(out.resolve("distribution.json"), "io.patchbay:" + name + "-distribution:" + version(set.get(0)), "Patchbay, " + name, set, included, null);
        copyOthers(name, out);
        System.out.println("distribution " + name + ": " + set.size() + " bundles, features " + set.stream().filter(c -> c.feature() != null)
                .map(Candidate::featureName).sorted().collect(Collectors.joining(" ")));
    }

    private Set<String> coreNames() {
        Resolution core = new Resolution(candidates, probe.platform());
        candidates.stream().filter(c -> c.name().equals("io.patchbay.agent") || c.name().equals("io.patchbay.lifecycle"))
                .forEach(c -> core.require(CapReqBuilder.createSimpleRequirement("osgi.identity", c.name(), null).buildSyntheticRequirement(), "distribution"));
        return core.chosen().stream().map(Candidate::name).collect(Collectors.toSet());
    }

    private void copyOthers(String name, Path out) throws IOException {
        Path launcher = root.resolve("distribution/launcher/target");
        Path lib = Files.createDirectories(out.resolve("lib"));
        for (Path jar : sorted(launcher.resolve("lib"), "*.jar")) {
            Files.copy(jar, lib.resolve(jar.getFileName()));
        }
        for (Path jar : sorted(launcher, "launcher-*.jar")) {
            Files.copy(jar, lib.resolve(jar.getFileName()));
        }
        Path bin = Files.createDirectories(out.resolve("bin"));
        Path start = Files.copy(root.resolve("distribution/bin/patchbay-agent"), bin.resolve("patchbay-agent"));
        Files.setPosixFilePermissions(start, PosixFilePermissions.fromString("rwxr-xr-x"));
        for (String client : List.of("patchbay", "patchbay-cni")) {
            Path built = root.resolve("distribution/target/client").resolve(client);
            if (Files.exists(built)) {
                Files.copy(built, bin.resolve(client), StandardCopyOption.COPY_ATTRIBUTES);
            }
        }
        Path config = Files.createDirectories(out.resolve("config"));
        for (Path file : sorted(root.resolve("config/agent"), "*")) {
            Files.copy(file, config.resolve(file.getFileName()));
        }
    }

    /** OSGi Feature JSON; {@code path} and {@code start} beside each id are metadata that the format allows. */
    private static void json(Path file, String id, String description, List<Candidate> bundles, Set<Candidate> included, String requires) throws IOException {
        JsonArrayBuilder list = Json.createArrayBuilder();
        for (Candidate c : bundles) {
            JsonObjectBuilder b = Json.createObjectBuilder().add("id", c.id()).add("hash", "sha256:" + c.digest())
                    .add("path", (included.contains(c) ? "bundles/" : "repository/") + fileName(c));
            if (c.feature() != null) {
                b.add("feature", c.featureName());
            }
            list.add(b);
        }
        JsonObjectBuilder root = Json.createObjectBuilder().add("feature-resource-version", "1.0").add("id", id).add("description", description).add("bundles", list);
        if (requires != null) {
            try (var reader = Json.createReader(new java.io.StringReader(requires))) {
                JsonObject extension = Json.createObjectBuilder().add("kind", "optional").add("type", "json")
                        .add("json", Json.createObjectBuilder().add("requires", reader.readArray())).build();
                root.add("extensions", Json.createObjectBuilder().add("patchbay-requires", extension));
            }
        }
        try (JsonWriter writer = Json.createWriterFactory(Map.of(JsonGenerator.PRETTY_PRINTING, true)).createWriter(Files.newBufferedWriter(file))) {
            writer.writeObject(root.build());
        }
    }

    private static String version(Candidate c) {
        return c.id().substring(c.id().lastIndexOf(':') + 1);
    }

    private static String fileName(Candidate c) {
        return c.name() + "-" + c.version() + ".jar";
    }

    private static List<Path> sorted(Path dir, String glob) throws IOException {
        if (!Files.isDirectory(dir)) {
            return List.of();
        }
        List<Path> found = new ArrayList<>();
        try (var stream = Files.newDirectoryStream(dir, glob)) {
            stream.forEach(found::add);
        }
        found.sort(Comparator.naturalOrder());
        return found;
    }

    private static void delete(Path dir) throws IOException {
        if (!Files.exists(dir)) {
            return;
        }
        try (Stream<Path> walk = Files.walk(dir)) {
            walk.sorted(Comparator.reverseOrder()).forEach(p -> {
                try {
                    Files.delete(p);
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            });
        }
    }
}
