package io.patchbay.bpf.btf;

/** The kinds of BTF types, in the kernel's numbering (linux/btf.h). */
public enum BtfKind {
    VOID, INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF, VOLATILE, CONST, RESTRICT, FUNC, FUNC_PROTO, VAR, DATASEC, FLOAT, DECL_TAG, TYPE_TAG, ENUM64;

    private static final BtfKind[] ALL = values();

    static BtfKind of(int number) {
        if (number <= 0 || number >= ALL.length) {
            throw new BtfException("unknown BTF kind " + number);
        }
        return ALL[number];
    }

    /** Typedefs, qualifiers and tags: they name or mark a type and leave its layout alone. */
    boolean isTransparent() {
        return this == TYPEDEF || this == VOLATILE || this == CONST || this == RESTRICT || this == TYPE_TAG;
    }

    boolean isComposite() {
        return this == STRUCT || this == UNION;
    }
}
