package io.patchbay.datapath.internal;

import io.patchbay.bpf.ObjectSpec;

/** One object of one feature, as it takes part in a generation. */
record Unit(String feature, String name, ObjectSpec spec, String digest, boolean draining) {
    /** Behind a map's name: the map of the layout before (carry.h). */
    static final String OLD = "_old";
    static final String CARRY = "pb_carry_";

    /** For messages. */
    String where() {
        return "feature " + feature + ", object " + name;
    }

    /** Whether it stands for the map of the layout before: see carry.h. */
    boolean isOld(String map) {
        return map.endsWith(OLD) && spec.maps().containsKey(base(map)) && spec.constants().containsKey(CARRY + base(map));
    }

    static String base(String old) {
        return old.substring(0, old.length() - OLD.length());
    }

    /** Bytes of a key or value that the object has places for. @param part {@code key} or {@code value} */
    int carried(String map, String part) {
        return spec.btf().layout(spec.constants().get(CARRY + map).type()).field(part).size() / Short.BYTES;
    }
}
