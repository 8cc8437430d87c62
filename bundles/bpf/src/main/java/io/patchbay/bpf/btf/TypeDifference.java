package io.patchbay.bpf.btf;

import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * Compares two types of different BTFs by what matters to data at rest: field names, offsets, sizes, signedness, array lengths. Names of
 * types, typedefs and qualifiers don't matter; a pointer equals any pointer.
 */
public final class TypeDifference {
    private final Btf left;
    private final Btf right;
    private static final int MAX_NESTING = 64;
    private final Set<Long> seen = new HashSet<>();
    private int depth;

    private TypeDifference(Btf left, Btf right) {
        this.left = left;
        this.right = right;
    }

    /** @return empty when equal; else the first difference with its path, and both layouts */
    public static Optional<String> between(Btf left, int leftType, Btf right, int rightType) {
        return new TypeDifference(left, right).compare("", leftType, rightType)
                .map(text -> text + "\n" + print(left, leftType) + "against\n" + print(right, rightType));
    }

    private static String print(Btf btf, int id) {
        int type = btf.resolve(id);
        return btf.kind(type).isComposite() ? btf.layout(type).describe() : btf.describe(id) + " /* " + btf.sizeOf(id) + " bytes */\n";
    }

    private Optional<String> compare(String path, int leftId, int rightId) {
        if (depth == MAX_NESTING) {
            throw new BtfException("types are nested more than " + MAX_NESTING + " deep");
        }
        depth++;
        try {
            return compareInside(path, leftId, rightId);
        } finally {
            depth--;
        }
    }

    private Optional<String> compareInside(String path, int leftId, int rightId) {
        int l = left.resolve(leftId);
        int r = right.resolve(rightId);
        if (!seen.add((long) l << 32 | r)) {
            return Optional.empty();
        }
        BtfKind kind = left.kind(l);
        if (kind != right.kind(r)) {
            return differ(path, left.describe(l), right.describe(r));
        }
        if (kind == BtfKind.VOID || kind == BtfKind.PTR) {
            return Optional.empty();
        }
        if (kind == BtfKind.ARRAY) {
            Btf.ArrayOf a = left.array(l);
            Btf.ArrayOf b = right.array(r);
            return a.count() != b.count() ? differ(path, a.count() + " elements", b.count() + " elements") : compare(path + "[]", a.element(), b.element());
        }
        if (kind == BtfKind.FWD || kind == BtfKind.FUNC_PROTO) {
            return Optional.empty();
        }
        int sizeLeft = left.sizeOf(l);
        int sizeRight = right.sizeOf(r);
        if (kind.isComposite()) {
            Optional<String> inside = members(path, left.members(l), right.members(r));
            return inside.isPresent() || sizeLeft == sizeRight ? inside : differ(path, sizeLeft + " bytes", sizeRight + " bytes");
        }
        if (sizeLeft != sizeRight) {
            return differ(path, sizeLeft + " bytes", sizeRight + " bytes");
        }
        if (kind == BtfKind.INT && left.isSigned(l) != right.isSigned(r)) {
            return differ(path, left.describe(l), right.describe(r));
        }
        return Optional.empty();
    }

    private Optional<String> members(String path, List<Btf.Member> a, List<Btf.Member> b) {
        for (int i = 0; i < Math.max(a.size(), b.size()); i++) {
            if (i >= a.size()) {
                return differ(path + "." + b.get(i).name(), "absent", "present");
            }
            if (i >= b.size()) {
                return differ(path + "." + a.get(i).name(), "present", "absent");
            }
            Btf.Member m = a.get(i);
            Btf.Member n = b.get(i);
            if (!m.name().equals(n.name())) {
                return differ(path, "field " + (i + 1) + " is " + m.name(), n.name());
            }
            String at = path + "." + m.name();
            if (m.bitOffset() != n.bitOffset() || m.bits() != n.bits()) {
                return differ(at, place(m), place(n));
            }
            Optional<String> inside = compare(at, m.type(), n.type());
            if (inside.isPresent()) {
                return inside;
            }
        }
        return Optional.empty();
    }

    private static String place(Btf.Member member) {
        return "at byte " + member.bitOffset() / 8 + (member.bits() > 0 ? " bit " + member.bitOffset() % 8 + " width " + member.bits() : "");
    }

    private static Optional<String> differ(String path, String left, String right) {
        return Optional.of((path.isEmpty() ? "the type" : path.startsWith(".") ? path.substring(1) : path) + ": " + left + " against " + right);
    }
}
