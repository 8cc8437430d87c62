package io.patchbay.servicelb.internal;

import io.patchbay.api.net.IpAddress;
import java.util.List;

/**
 * What plans depend on beside the service.
 *
 * @param zone      "" if unknown
 * @param addresses that NodePorts and host ports are reached at; empty: they are not served
 * @param maglev    whether services that don't say are balanced by Maglev
 */
record NodeView(String name, String zone, List<IpAddress> addresses, boolean maglev) {
}
