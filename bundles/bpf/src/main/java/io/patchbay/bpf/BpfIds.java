package io.patchbay.bpf;

import io.patchbay.bpf.internal.Errno;
import io.patchbay.bpf.internal.KernelObjects;
import io.patchbay.bpf.internal.Scratch;
import io.patchbay.bpf.internal.Sys;
import java.util.ArrayList;
import java.util.List;

/** All of the kernel's programs, maps, links and BTFs, by id; whoever made them. For finding leaks. */
public final class BpfIds {
    /** What has ids. */
    public enum Kind {
        PROGRAM(Sys.PROG_NEXT_ID), MAP(Sys.MAP_NEXT_ID), LINK(Sys.LINK_NEXT_ID), BTF(Sys.BTF_NEXT_ID);

        private final int command;

        Kind(int command) {
            this.command = command;
        }
    }

    /** How many there are. */
    public record Counts(int programs, int maps, int links, int btfs) { }

    private BpfIds() { }

    /** The ids in ascending order. Objects that come or go meanwhile may be missed or listed. */
    public static List<Integer> list(Kind kind) {
        List<Integer> ids = new ArrayList<>();
        int id = 0;
        try (Scratch s = Scratch.take()) {
            while (true) {
                s.clear().put(0, id);
                long result = Sys.bpf(kind.command, s);
                if (result == -Errno.ENOENT) {
                    return List.copyOf(ids);
                }
                KernelObjects.check(result, "list", kind + " ids");
                id = s.get(4);
                ids.add(id);
            }
        }
    }

    public static Counts count() {
        return new Counts(list(Kind.PROGRAM).size(), list(Kind.MAP).size(), list(Kind.LINK).size(), list(Kind.BTF).size());
    }
}
