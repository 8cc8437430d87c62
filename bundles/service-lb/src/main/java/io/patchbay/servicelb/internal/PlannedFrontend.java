package io.patchbay.servicelb.internal;

/**
 * A frontend that a service wants.
 *
 * @param affinitySeconds how long a client stays with its backend; 0: no affinity
 * @param flags           LB_F_* of lb.h, affinity excepted
 */
record PlannedFrontend(Frontend frontend, FrontendKind kind, SetKey set, int affinitySeconds, int flags) {
}
