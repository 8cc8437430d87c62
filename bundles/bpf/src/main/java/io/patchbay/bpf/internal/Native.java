package io.patchbay.bpf.internal;

import com.kenai.jffi.MemoryIO;
import com.kenai.jffi.PageManager;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import jnr.ffi.LibraryLoader;
import jnr.ffi.Runtime;

/** The native libraries, loaded once. */
public final class Native {
    /**
     * jnr-ffi's x86-64 stub compiler passes garbage as the sixth integer argument (reproduced on 2.2.19, 2.3.3 and 2.3.7); it is read once,
     * when jnr starts, so it has to be off before anything touches jnr.
     */
    static final String STUB_COMPILER = "jnr.ffi.x86asm.enabled";

    public static final LibC C;
    public static final LibBpf BPF;
    /** Bytes of a page. */
    public static final int PAGE;
    private static final Runtime RUNTIME;
    private static final MemoryIO MEMORY;

    static {
        requireStubCompilerOff(System.getProperty("os.arch"), System.getProperty(STUB_COMPILER));
        C = LibraryLoader.create(LibC.class).load("c");
        BPF = LibraryLoader.create(LibBpf.class).failImmediately().load(libbpf());
        RUNTIME = Runtime.getRuntime(C);
        MEMORY = MemoryIO.getInstance();
        PAGE = (int) PageManager.getInstance().pageSize();
        // Errors come from return codes and from log buffers per program; libbpf's own print function would write to standard error.
        BPF.libbpf_set_print(0);
    }

    private Native() { }

    /** @throws IllegalStateException unless the stub compiler is switched off where it exists */
    static void requireStubCompilerOff(String architecture, String property) {
        boolean concerned = "amd64".equals(architecture) || "x86_64".equals(architecture);
        if (concerned && !"false".equals(property)) {
            throw new IllegalStateException("start the JVM with -D" + STUB_COMPILER + "=false: jnr-ffi's stub compiler corrupts the sixth argument"
                    + " of native calls, mmap's offset among them");
        }
    }

    /** The library by its runtime name: the plain name exists only where development files are installed. */
    private static String libbpf() {
        for (String directory : List.of("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/lib64", "/usr/lib64", "/usr/lib", "/usr/local/lib")) {
            Path library = Path.of(directory, "libbpf.so.1");
            if (Files.exists(library)) {
                return library.toString();
            }
        }
        return "bpf";
    }

    /** errno of this thread's last native call. */
    public static int errno() {
        return RUNTIME.getLastError();
    }

    /** The address of a direct buffer's first byte (not of its position). The caller keeps the buffer reachable while it is used. */
    public static long address(ByteBuffer direct) {
        if (!direct.isDirect()) {
            throw new IllegalArgumentException("a direct buffer is needed");
        }
        return MEMORY.getDirectBufferAddress(direct);
    }

    /** A view of foreign memory. It is valid only as long as its owner keeps the memory mapped. */
    public static ByteBuffer view(long address, int length) {
        return MEMORY.newDirectByteBuffer(address, length).order(java.nio.ByteOrder.nativeOrder());
    }
}
