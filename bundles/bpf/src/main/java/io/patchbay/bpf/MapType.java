package io.patchbay.bpf;

/** The types of maps, in the kernel's numbering up to {@link #USER_RINGBUF}; {@link #OTHER} is any later one. */
public enum MapType {
    UNSPEC, HASH, ARRAY, PROG_ARRAY, PERF_EVENT_ARRAY, PERCPU_HASH, PERCPU_ARRAY, STACK_TRACE, CGROUP_ARRAY, LRU_HASH, LRU_PERCPU_HASH, LPM_TRIE,
    ARRAY_OF_MAPS, HASH_OF_MAPS, DEVMAP, SOCKMAP, CPUMAP, XSKMAP, SOCKHASH, CGROUP_STORAGE, REUSEPORT_SOCKARRAY, PERCPU_CGROUP_STORAGE, QUEUE, STACK,
    SK_STORAGE, DEVMAP_HASH, STRUCT_OPS, RINGBUF, INODE_STORAGE, TASK_STORAGE, BLOOM_FILTER, USER_RINGBUF, OTHER;

    private static final MapType[] ALL = values();

    public static MapType of(int number) {
        return number >= 0 && number < OTHER.ordinal() ? ALL[number] : OTHER;
    }

    public int number() {
        return ordinal();
    }

    /** Whether a value is one slot per possible CPU. */
    public boolean isPerCpu() {
        return this == PERCPU_HASH || this == PERCPU_ARRAY || this == LRU_PERCPU_HASH || this == PERCPU_CGROUP_STORAGE;
    }

    /** Whether every index exists from the start and none can be deleted. */
    public boolean isArray() {
        return this == ARRAY || this == PERCPU_ARRAY;
    }

    /** Whether the kernel keeps key and value types for it. */
    boolean takesBtf() {
        return switch (this) {
            case HASH, ARRAY, PERCPU_HASH, PERCPU_ARRAY, LRU_HASH, LRU_PERCPU_HASH, LPM_TRIE, CGROUP_STORAGE, PERCPU_CGROUP_STORAGE, SK_STORAGE,
                    INODE_STORAGE, TASK_STORAGE -> true;
            default -> false;
        };
    }
}
