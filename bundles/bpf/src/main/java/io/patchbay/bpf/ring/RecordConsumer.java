package io.patchbay.bpf.ring;

import java.nio.ByteBuffer;

/** Takes the records of a ring buffer. */
@FunctionalInterface
public interface RecordConsumer {
    /**
     * One record: {@code length} bytes at {@code offset} of a read-only direct buffer in native order. Valid during the call only: the kernel
     * writes there again afterwards. Read by absolute offsets; position and limit are meaningless and not to be changed.
     */
    void accept(ByteBuffer ring, int offset, int length);
}
