package io.patchbay.bpf;

import io.patchbay.bpf.internal.MountInfo;
import io.patchbay.bpf.internal.Native;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/** The file system of pins. */
public final class BpfFs {
    private static final Path USUAL = Path.of("/sys/fs/bpf");

    private BpfFs() { }

    /**
     * Finds a mounted bpf file system, the usual place first, or mounts one there. Pins are lost when their file system is unmounted, which
     * happens to one mounted inside a private mount namespace when its last process ends.
     */
    public static Path ensureMounted() {
        List<Path> mounts = MountInfo.mounts("bpf");
        if (mounts.contains(USUAL)) {
            return USUAL;
        }
        if (!mounts.isEmpty()) {
            return mounts.get(0);
        }
        if (Native.C.mount("bpf", USUAL.toString(), "bpf", 0, "mode=0700") < 0) {
            throw new BpfException("mount", "the bpf file system at " + USUAL, Native.errno());
        }
        return USUAL;
    }

    /** Removes a directory of pins with all in it; what only they kept alive goes. No error when it is absent. */
    public static void removeTree(Path directory) {
        if (!Files.exists(directory)) {
            return;
        }
        try (Stream<Path> all = Files.walk(directory)) {
            for (Path path : all.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(path);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
