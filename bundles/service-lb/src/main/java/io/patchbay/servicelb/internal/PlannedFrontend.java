package io.patchbay.servicelb.internal;

import io.patchbay.api.net.Prefix;
import java.util.List;

/**
 * A frontend that a service wants.
 *
 * @param affinitySeconds how long a client stays with its backend; 0: no affinity
 * @param flags           LB_F_* of lb.h, affinity and source ranges excepted
 * @param ranges          who may reach it; empty: everybody
 */
record PlannedFrontend(Frontend frontend, FrontendKind kind, SetKey set, int affinitySeconds, int flags, List<Prefix> ranges) {
    PlannedFrontend(Frontend frontend, FrontendKind kind, SetKey set, int affinitySeconds, int flags) {
        this(frontend, kind, set, affinitySeconds, flags, List.of());
    }
}
