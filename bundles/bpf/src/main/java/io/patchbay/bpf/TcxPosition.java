package io.patchbay.bpf;

/** Where among the tcx programs of a device a new one goes. Positions are kept by the kernel as others come and go. */
public final class TcxPosition {
    private static final int BEFORE = 1 << 3;
    private static final int AFTER = 1 << 4;
    private static final int ID = 1 << 5;
    private static final int LINK = 1 << 13;

    final int flags;
    final int relative;
    final long revision;

    private TcxPosition(int flags, int relative, long revision) {
        this.flags = flags;
        this.relative = relative;
        this.revision = revision;
    }

    /** Before all others. */
    public static TcxPosition first() {
        return new TcxPosition(BEFORE, 0, 0);
    }

    /** After all others. */
    public static TcxPosition last() {
        return new TcxPosition(AFTER, 0, 0);
    }

    /** Right before another link of the same device and direction. */
    public static TcxPosition beforeLink(int linkId) {
        return new TcxPosition(BEFORE | LINK | ID, linkId, 0);
    }

    /** Right after another link of the same device and direction. */
    public static TcxPosition afterLink(int linkId) {
        return new TcxPosition(AFTER | LINK | ID, linkId, 0);
    }

    /** Refuses (ESTALE) when the programs have changed since that revision was read ({@link BpfLink#query}). */
    public TcxPosition atRevision(long expected) {
        return new TcxPosition(flags, relative, expected);
    }
}
