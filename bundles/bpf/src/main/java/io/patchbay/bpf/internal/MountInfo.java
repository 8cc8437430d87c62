package io.patchbay.bpf.internal;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Mounts of this process by file system type (format: proc(5), /proc/pid/mountinfo). */
public final class MountInfo {
    private MountInfo() { }

    /** Where file systems of that type are mounted as a whole; bind mounts of a part of one are left out. */
    public static List<Path> mounts(String type) {
        try {
            return parse(Files.readString(Path.of("/proc/self/mountinfo"), StandardCharsets.UTF_8), type);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static List<Path> parse(String text, String type) {
        List<Path> found = new ArrayList<>();
        for (String line : text.split("\n")) {
            int separator = line.indexOf(" - ");
            if (separator < 0) {
                continue;
            }
            String[] before = line.substring(0, separator).split(" ");
            String[] after = line.substring(separator + 3).split(" ");
            if (before.length >= 5 && after[0].equals(type) && before[3].equals("/")) {
                found.add(Path.of(unescape(before[4])));
            }
        }
        return found;
    }

    private static String unescape(String path) {
        return path.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\");
    }
}
