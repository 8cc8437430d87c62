package io.patchbay.cluster.decode;

import java.util.ArrayList;
import java.util.List;

/** Collects what is wrong with a set of files, so that a user hears of everything at once. Not thread-safe: one per decoding. */
public final class Problems {
    private final List<Problem> list = new ArrayList<>();

    public void add(Problem problem) {
        list.add(problem);
    }

    public boolean isEmpty() {
        return list.isEmpty();
    }

    public int size() {
        return list.size();
    }

    /** In the order in which they were found. */
    public List<Problem> list() {
        return List.copyOf(list);
    }

    /** @throws DecodeException with everything found so far, if there is anything */
    public void throwIfAny() throws DecodeException {
        if (!list.isEmpty()) throw new DecodeException(list());
    }
}
