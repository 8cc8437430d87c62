package io.patchbay.bpf.btf;

/** The bytes are not valid BTF, or a type that was asked for is not in them. */
public final class BtfException extends IllegalArgumentException {
    private static final long serialVersionUID = 1L;

    public BtfException(String message) {
        super(message);
    }
}
