package io.patchbay.bpf;

/** What the kernel says of a map. Sizes in bytes; the BTF and type ids are 0 when it has no types. */
public record MapInfo(int id, String name, MapType type, int typeNumber, int keySize, int valueSize, int maxEntries, int flags, int btfId, int keyType,
                      int valueType, long extra) { }
