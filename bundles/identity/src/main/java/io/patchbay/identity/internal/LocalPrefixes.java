package io.patchbay.identity.internal;

import io.patchbay.api.net.Prefix;
import jakarta.json.Json;
import jakarta.json.JsonArrayBuilder;
import jakarta.json.JsonObject;
import jakarta.json.JsonObjectBuilder;
import jakarta.json.JsonReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Prefixes that somebody tells apart, with their numbers, in a file: numbers stay over restarts, since the kernel's tables name them, and
 * so does what each user required, until it says something else. So does whether this node is where the API server runs, which is part of what
 * its identity stands for. Not thread-safe.
 */
final class LocalPrefixes {
    private static final Logger LOG = LoggerFactory.getLogger(LocalPrefixes.class);

    private final Path file;
    private final Map<String, Set<Prefix>> users = new TreeMap<>();
    private final Map<Prefix, Integer> numbers = new TreeMap<>();
    private int last = IdentityNumbers.MIN_LOCAL - 1;
    private boolean apiServerHere;

    LocalPrefixes(Path file) {
        this.file = file;
    }

    /** @param kernel prefixes with local numbers that the kernel's ipcache has: what is held if the file can't be read */
    void load(Map<Prefix, Integer> kernel) {
        try {
            if (Files.exists(file)) {
                try (InputStream in = Files.newInputStream(file); JsonReader reader = Json.createReader(in)) {
                    JsonObject all = reader.readObject();
                    last = all.getInt("last");
                    apiServerHere = all.getBoolean("apiServerHere", false);
                    all.getJsonObject("numbers").forEach((k, v) -> numbers.put(Prefix.parse(k), Integer.parseInt(v.toString())));
                    all.getJsonObject("users").forEach((user, list) -> {
                        Set<Prefix> set = new TreeSet<>();
                        list.asJsonArray().getValuesAs(jakarta.json.JsonString.class).forEach(s -> set.add(Prefix.parse(s.getString())));
                        users.put(user, set);
                    });
                    return;
                }
            }
        } catch (IOException | RuntimeException e) {
            LOG.error("{} can't be read ({}): the prefixes that the kernel has are held instead, until all who need some have said so", file,
                    e.toString());
            users.clear();
            numbers.clear();
        }
        numbers.putAll(kernel);
        if (!kernel.isEmpty()) users.put("policy", new TreeSet<>(kernel.keySet()));
        kernel.values().forEach(n -> last = Math.max(last, n));
    }

    /** Every prefix with a number. */
    Map<Prefix, Integer> numbers() {
        return new TreeMap<>(numbers);
    }

    /** What a user has required. */
    Set<Prefix> of(String user) {
        return users.getOrDefault(user, Set.of());
    }

    boolean apiServerHere() {
        return apiServerHere;
    }

    /** Durable when it returns. */
    void apiServerHere(boolean here) throws IOException {
        apiServerHere = here;
        save();
    }

    /** What a call changed. */
    record Changed(Map<Prefix, Integer> added, Map<Prefix, Integer> removed) {
    }

    /** Durable when it returns. */
    Changed require(String user, Set<Prefix> prefixes) throws IOException {
        if (prefixes.isEmpty()) users.remove(user);
        else users.put(user, new TreeSet<>(prefixes));
        Set<Prefix> needed = new HashSet<>();
        users.values().forEach(needed::addAll);
        Map<Prefix, Integer> added = new TreeMap<>();
        Map<Prefix, Integer> removed = new TreeMap<>();
        for (Prefix p : needed) {
            if (numbers.containsKey(p)) continue;
            int number = next();
            numbers.put(p, number);
            added.put(p, number);
        }
        numbers.forEach((p, n) -> {
            if (!needed.contains(p)) removed.put(p, n);
        });
        removed.keySet().forEach(numbers::remove);
        save();
        return new Changed(added, removed);
    }

    /** Numbers are taken in turn, so that one comes again as late as possible. */
    private int next() {
        Set<Integer> taken = new HashSet<>(numbers.values());
        do {
            last = last >= IdentityNumbers.MAX_LOCAL ? IdentityNumbers.MIN_LOCAL : last + 1;
        } while (taken.contains(last));
        return last;
    }

    private void save() throws IOException {
        JsonObjectBuilder n = Json.createObjectBuilder();
        numbers.forEach((p, number) -> n.add(p.toString(), number));
        JsonObjectBuilder u = Json.createObjectBuilder();
        users.forEach((user, set) -> {
            JsonArrayBuilder list = Json.createArrayBuilder();
            set.forEach(p -> list.add(p.toString()));
            u.add(user, list);
        });
        Files.createDirectories(file.getParent());
        Path next = file.resolveSibling(file.getFileName() + ".new");
        try (FileChannel channel = FileChannel.open(next, StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.TRUNCATE_EXISTING)) {
            OutputStream out = Channels.newOutputStream(channel);
            out.write(Json.createObjectBuilder().add("last", last).add("apiServerHere", apiServerHere).add("numbers", n).add("users", u).build().toString().getBytes(java.nio.charset.StandardCharsets.UTF_8));
            channel.force(true);
        }
        Files.move(next, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }
}
