package io.patchbay.api.datapath;

import java.util.List;

/**
 * How the kernel lays out one key or value: read from the BTF of the object that was loaded, never written down in Java.
 * Immutable, thread-safe.
 */
public interface Layout {
    /** The C type's name, {@code pb_endpoint}; {@code __u32} for a bare integer. */
    String typeName();

    /** Bytes. */
    int size();

    /**
     * A member by its C name; nested members with dots ({@code nat.addr}). The whole of a bare integer or of a
     * {@code struct pb_addr} is "".
     *
     * @throws IllegalArgumentException naming the type and its members when there is none of that name
     */
    Field field(String path);

    /** Whether there is a member of that name. */
    boolean has(String path);

    /** Leaf members in order of offset. */
    List<Field> fields();

    /** A member: where it is and how wide. */
    interface Field {
        String path();

        int offset();

        int size();

        /** C type name, for display ({@code __be16}, {@code pb_addr}, {@code __u8[6]}). */
        String typeName();
    }
}
