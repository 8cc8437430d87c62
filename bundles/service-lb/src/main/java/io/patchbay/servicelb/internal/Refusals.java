package io.patchbay.servicelb.internal;

import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.datapath.Struct;
import io.patchbay.api.feature.FeatureRuntime;

/**
 * New connections that the datapath refused, since its maps were made.
 *
 * @param flows    lb_flows was full of live ones
 * @param ports    from outside: no port of this node was free towards their backend
 * @param mappings from outside: lb_nat was full of live ones
 */
record Refusals(long flows, long ports, long mappings) {
    static Refusals read(FeatureRuntime runtime) {
        MapHandle nat = runtime.map("lb_nat_refused");
        return new Refusals(sum(runtime.map("lb_refused"), 0), sum(nat, 0), sum(nat, 1));
    }

    private static long sum(MapHandle counters, int at) {
        return counters.lookupAll(new Struct(counters.key()).set("", at)).stream().mapToLong(s -> s.get("skbs")).sum();
    }

    boolean any() {
        return flows + ports + mappings > 0;
    }

    @Override
    public String toString() {
        return ports + " connections found no free port towards their backend, " + (flows + mappings) + " no room in the map";
    }
}
