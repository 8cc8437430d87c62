/**
 * Links, addresses, routes, neighbours and queueing disciplines of a network namespace, over rtnetlink, and its sockets, over sock_diag.
 *
 * <p>libnl-3 gives the sockets; messages are built and read here, because libnl-route folds the kernel's error numbers
 * into its own fewer ones, drops the kernel's explanation, and lacks newer attributes.
 */
@Version("1.2.0")
package io.patchbay.netlink;

import org.osgi.annotation.versioning.Version;
