package io.patchbay.netlink;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Kernel settings under /proc/sys. What is under {@code net} there depends on the namespace of the thread that opens the
 * file, so settings of another namespace are read and written on a thread that entered it.
 */
public final class Sysctl {

    private static final Path ROOT = Path.of("/proc/sys");

    private Sysctl() {
    }

    /** @param key with slashes or dots, as {@code net/ipv4/conf/lo/rp_filter}; a device's name with a dot needs slashes */
    public static String read(String key) throws IOException {
        return Files.readString(file(key)).strip();
    }

    /** In the calling thread's namespace. */
    public static void write(String key, String value) throws IOException {
        Files.writeString(file(key), value);
    }

    /** In the namespace that {@code netns} stands for. */
    public static String read(Path netns, String key) throws IOException {
        try (NetNs ns = NetNs.open(netns)) {
            return read(ns, key);
        }
    }

    /** In the namespace that {@code netns} stands for. */
    public static void write(Path netns, String key, String value) throws IOException {
        try (NetNs ns = NetNs.open(netns)) {
            write(ns, key, value);
        }
    }

    public static String read(NetNs ns, String key) throws IOException {
        return within(ns, key, null);
    }

    public static void write(NetNs ns, String key, String value) throws IOException {
        within(ns, key, value);
    }

    private static String within(NetNs ns, String key, String value) throws IOException {
        try {
            return NamespaceThread.call(ns, () -> {
                if (value == null) {
                    return read(key);
                }
                write(key, value);
                return value;
            });
        } catch (IOException | RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new IOException(key + " in " + ns, e);
        }
    }

    private static Path file(String key) {
        Path p = ROOT.resolve(key.indexOf('/') >= 0 ? key : key.replace('.', '/')).normalize();
        if (!p.startsWith(ROOT) || p.equals(ROOT)) {
            throw new IllegalArgumentException("'" + key + "' is not a kernel setting");
        }
        return p;
    }
}
