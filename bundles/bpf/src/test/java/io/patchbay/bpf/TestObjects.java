package io.patchbay.bpf;

/** Objects for the tests of other packages. */
public final class TestObjects {
    private TestObjects() { }

    public static byte[] basic() {
        return Compiled.object("basic");
    }
}
