package io.patchbay.bpf.internal;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** The names of the kernel's helpers, in its numbering, complete since 6.2: later kernels add functions of another kind (kfuncs). */
public final class Helpers {
    private static final List<String> NAMES = read();

    private Helpers() { }

    private static List<String> read() {
        try (InputStream in = Helpers.class.getResourceAsStream("helpers.txt")) {
            return new String(in.readAllBytes(), StandardCharsets.US_ASCII).lines().toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** @param name without {@code bpf_} */
    public static int id(String name) {
        int index = NAMES.indexOf(name);
        if (index < 0) {
            throw new IllegalArgumentException("no helper bpf_" + name + " is known");
        }
        return index + 1;
    }
}
