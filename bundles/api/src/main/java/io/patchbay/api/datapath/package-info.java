/** The datapath as features and the core see it: hooks, maps, generations, ledger, events. */
@Version("1.2.0")
package io.patchbay.api.datapath;

import org.osgi.annotation.versioning.Version;
