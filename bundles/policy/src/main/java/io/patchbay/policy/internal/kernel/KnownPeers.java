package io.patchbay.policy.internal.kernel;

import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.datapath.Struct;
import io.patchbay.policy.internal.table.PeerNumbers;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/** The identities of pods that the tables in force speak of, a bit each in the map policy_known; it adopts what it finds. Not thread-safe. */
final class KnownPeers {
    private final MapHandle map;
    private final long[] words;

    KnownPeers(MapHandle map) {
        this.map = map;
        this.words = new long[map.maxEntries()];
        map.entries().forEach((k, v) -> words[(int) k.get("")] = v.get(""));
    }

    private boolean isPod(int identity) {
        return identity >= PeerNumbers.FIRST_POD && identity < words.length * Long.SIZE;
    }

    void change(Collection<Integer> identities, boolean on) {
        Set<Integer> changed = new HashSet<>();
        for (int identity : identities) {
            if (!isPod(identity)) continue;
            int at = identity / Long.SIZE;
            long bit = 1L << identity;
            long word = on ? words[at] | bit : words[at] & ~bit;
            if (word == words[at]) continue;
            words[at] = word;
            changed.add(at);
        }
        write(changed);
    }

    void set(Collection<Integer> identities) {
        long[] before = words.clone();
        Arrays.fill(words, 0);
        for (int identity : identities) if (isPod(identity)) words[identity / Long.SIZE] |= 1L << identity;
        Set<Integer> changed = new HashSet<>();
        for (int at = 0; at < words.length; at++) if (words[at] != before[at]) changed.add(at);
        write(changed);
    }

    private void write(Set<Integer> changed) {
        if (changed.isEmpty()) return;
        Map<Struct, Struct> all = new LinkedHashMap<>();
        for (int at : changed) all.put(new Struct(map.key()).set("", at), new Struct(map.value()).set("", words[at]));
        map.putAll(all);
    }
}
