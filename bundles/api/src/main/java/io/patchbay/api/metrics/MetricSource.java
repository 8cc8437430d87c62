package io.patchbay.api.metrics;

import java.util.List;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * Gives figures to whoever collects them; a service. Called on the collector's thread, every few seconds; must answer soon, from what it knows or from the
 * kernel's counters. Several sources may give samples of one name, with other labels.
 */
@ConsumerType
public interface MetricSource {
    List<Metric> metrics();
}
