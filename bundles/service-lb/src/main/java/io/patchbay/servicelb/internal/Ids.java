package io.patchbay.servicelb.internal;

import java.util.HashMap;
import java.util.Map;

/**
 * Numbers for things, stable over restarts. A number that was given up is not given out again for a long time: a slot or a flow may
 * name it until it is rewritten. Not thread-safe.
 */
final class Ids<T> {
    /** Conntrack and flows keep these in 32 bits; positive in Java, for display. */
    private static final int LAST = Integer.MAX_VALUE;

    private final Map<T, Integer> byThing = new HashMap<>();
    private final Map<Integer, T> byNumber = new HashMap<>();
    private int next = 1;

    /** Takes over a number that the kernel knows; false when something else has it. */
    boolean claim(T thing, int number) {
        if (number <= 0 || byNumber.containsKey(number) || byThing.containsKey(thing)) return false;
        byThing.put(thing, number);
        byNumber.put(number, thing);
        next = Math.max(next, number == LAST ? 1 : number + 1);
        return true;
    }

    /** Keeps clear of a number that somebody else may still use. */
    void avoid(int number) {
        if (number > 0 && number < LAST) next = Math.max(next, number + 1);
    }

    int get(T thing) {
        return byThing.computeIfAbsent(thing, t -> {
            while (byNumber.containsKey(next)) next = next == LAST ? 1 : next + 1;
            byNumber.put(next, t);
            int number = next;
            next = next == LAST ? 1 : next + 1;
            return number;
        });
    }

    boolean knows(T thing) {
        return byThing.containsKey(thing);
    }

    /** The number that was its own; 0: none. */
    int release(T thing) {
        Integer number = byThing.remove(thing);
        if (number == null) return 0;
        byNumber.remove(number);
        return number;
    }
}
