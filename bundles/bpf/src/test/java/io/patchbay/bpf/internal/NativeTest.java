package io.patchbay.bpf.internal;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

class NativeTest {
    @Test
    void theSixthArgumentArrives() throws Exception {
        Path file = Files.createTempFile("pbt-", ".pages");
        int fd = -1;
        try {
            byte[] pages = new byte[4 * Native.PAGE];
            for (int i = 0; i < 4; i++) {
                pages[i * Native.PAGE] = (byte) (10 + i);
            }
            Files.write(file, pages);
            fd = Native.C.open(file.toString(), 0, 0);
            for (int i = 0; i < 4; i++) {
                long address = Native.C.mmap(0, Native.PAGE, 1, 2, fd, (long) i * Native.PAGE);
                assertTrue(address != -1, "mmap with an offset of " + i + " pages: " + Errno.name(Native.errno()));
                assertEquals(10 + i, Native.view(address, 1).get(0));
                Native.C.munmap(address, Native.PAGE);
            }
        } finally {
            Sys.close(fd);
            Files.delete(file);
        }
    }

    @Test
    void startIsRefusedWithTheStubCompiler() {
        IllegalStateException refusal = assertThrows(IllegalStateException.class, () -> Native.requireStubCompilerOff("amd64", null));
        assertTrue(refusal.getMessage().contains("-Djnr.ffi.x86asm.enabled=false"), refusal.getMessage());
        assertThrows(IllegalStateException.class, () -> Native.requireStubCompilerOff("amd64", "true"));
        assertDoesNotThrow(() -> Native.requireStubCompilerOff("amd64", "false"));
        assertDoesNotThrow(() -> Native.requireStubCompilerOff("aarch64", null));
    }

    @Test
    void errnoIsThatOfTheFailedCall() {
        assertEquals(-1, Native.C.open("/nonexistent/pbt", 0, 0));
        assertEquals(Errno.ENOENT, Native.errno());
    }

    @Test
    void arenaMemoryIsZeroedAndHoldsStrings() {
        try (NativeArena arena = new NativeArena()) {
            assertEquals(0, Native.view(arena.allocate(100), 100).getLong(64));
            assertEquals("Ünïcode", NativeArena.string(arena.string("Ünïcode"), 100));
        }
    }

    @Test
    void mountsAreFoundByTypeAndBindMountsAreNot() {
        String text = """
                24 1 0:22 / /sys/fs/cgroup/unified rw,relatime shared:7 - cgroup2 cgroup2 rw
                25 1 0:23 /sub /mnt/part rw - cgroup2 cgroup2 rw
                26 1 0:24 / /mnt/with\\040space rw - bpf none rw
                garbage
                """;
        assertEquals(List.of(Path.of("/sys/fs/cgroup/unified")), MountInfo.parse(text, "cgroup2"));
        assertEquals(List.of(Path.of("/mnt/with space")), MountInfo.parse(text, "bpf"));
    }

    @Test
    void descriptorsCloseOnce() {
        Descriptor descriptor = new Descriptor(Native.C.open("/dev/null", 0, 0), "test");
        assertTrue(descriptor.isOpen());
        descriptor.close();
        descriptor.close();
        assertThrows(IllegalStateException.class, descriptor::number);
    }

    @Test
    void smallPiecesAreZeroAgainAndDoNotOverlap() {
        for (int round = 0; round < 3; round++) {
            try (NativeArena arena = new NativeArena()) {
                long last = 0;
                for (int size : new int[] {1, 24, 512, 513, 100_000, 500, 500, 500, 500, 500, 500, 500, 500, 500}) {
                    long at = arena.allocate(size);
                    ByteBuffer view = Native.view(at, size);
                    for (int i = 0; i < size; i++) {
                        assertEquals(0, view.get(i), "byte " + i + " of " + size + " in round " + round);
                        view.put(i, (byte) 0xff);
                    }
                    assertEquals(0, at % (size > 512 ? 4096 : 16));
                    assertNotEquals(last, at);
                    last = at;
                }
            }
        }
    }
}
